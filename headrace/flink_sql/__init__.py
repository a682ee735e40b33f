"""Flink SQL over the topics of a project: tables from the declarations, and a session that only reads."""
