"""What stands in a table: figures of its columns, of its keys and over time, and a page that shows them.

`figures` and `series` compute, `plots` and `page` show. Knows the lake as a DuckDB connection, no Delta.
"""
