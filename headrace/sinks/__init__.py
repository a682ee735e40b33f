"""Out of a project over HTTP: records of its topics to endpoints of others, at least once.

Knows the project's tables and topics; not how its records are made.
"""
