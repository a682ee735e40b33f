"""Features: what a view declares, the same numbers from DuckDB, parity, the feature store.

Knows the contract of events and the lake; knows nothing of Flink, and nothing of models.
"""
