"""Upkeep of the tables: compaction, retention, vacuum, and the record of what was done.

Changes which files hold the rows, and never a row that nobody asked to remove. Knows nothing of Kafka.
"""
