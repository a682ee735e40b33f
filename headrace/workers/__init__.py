"""The processes of the stack: each module is one, `python -m headrace.workers.<name> --project DIR`.

A worker reads the project, calls one library and tells when it is ready. Must not hold logic of its own.
"""
