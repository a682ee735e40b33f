"""The tables of a project kept in order: their files, what is expected of them, roll-ups, and tables made anew.

Knows which tables a project has and what it declares for them; how a table is changed, `headrace_lake` knows.
"""
