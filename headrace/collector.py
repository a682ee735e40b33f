"""How Python looks for garbage in cycles, in processes of our own."""

import gc

_OBJECTS = 100_000
"""Containers that are made between two looks: a batch of records makes as many, and none of them is garbage."""
_USUAL = 700


def collect_seldom() -> None:
    """Look seldom, and no more at what is there now: modules and what they hold stay.

    By default Python looks after every 700 containers that outlive their maker, which takes a third of the time in
    which a batch is read (`headrace bench lake`); a full look at all modules takes half a second, in which no thread
    runs.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS)


def collect_as_usual() -> None:
    """Take that back, before a process ends: what is never looked at is never freed, of which DuckDB complains."""
    gc.unfreeze()
    gc.set_threshold(_USUAL)
