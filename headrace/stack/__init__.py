"""The local stack: jars, Java, the broker, the supervisor and its processes.

Owns what runs on one machine and how it starts and ends. Must not know declarations, models or what a worker does.
"""
