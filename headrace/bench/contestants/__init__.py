"""Who is measured: each contestant is one or more processes that read a topic of events and write a topic of rows."""
