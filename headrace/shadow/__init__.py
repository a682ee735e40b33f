"""Bounded runs of a feature job beside production: topics, transactions, consumer group and state of their own.

Production's topics are only read, and its lake, online store and job state are not touched.
"""
