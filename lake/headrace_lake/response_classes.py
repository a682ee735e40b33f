"""Mends a fault of kafka-python 3.0 that makes a process deaf when several of its clients start at once."""

from typing import Any

from kafka.protocol.api_header import ResponseClassRegistry


def keep_response_classes() -> None:
    """Let kafka-python know the kinds of answers by the classes of its modules, which stay.

    It makes a class for each version of an answer at the first one, and notes that class, by a weak reference, as that
    of all such answers. When two clients make the same one at once, in two threads, the one that was noted may be the
    one that is dropped. From the next collection of garbage on, every such answer ends the reading of its connection
    with a ReferenceError, for good: no client of the process gets what it asked for until the process starts anew.
    """
    known: dict[int, Any] = ResponseClassRegistry._response_class_registry  # it has no other way in

    def keep(response_class: Any) -> None:
        known.setdefault(response_class.API_KEY, response_class)

    ResponseClassRegistry.register_response_class = keep
