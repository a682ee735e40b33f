"""Who may read and write what: the rules of `policy.yaml`, what follows from them, and the record of who did what.

It knows names of principals, actions and resources; it must know nothing of HTTP or of DuckDB.
"""
