"""The demonstration: the whole way of an event in a fresh project, with its figures."""
