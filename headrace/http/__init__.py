"""Events in and features out over HTTP: bodies, keys, routes and the server.

It turns requests into calls of the same parts that the command line calls; it must know nothing of Flink or models.
"""
