"""The contract of several events in one topic, computed from theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import PrivateAttr

from headrace_ingestion.contract import KEY_TYPES, Contract
from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field
from headrace_ingestion.headers import is_event_id
from headrace_ingestion.joined import TOLD
from headrace_ingestion.problems import DeclarationProblem

EVENT = "event"
"""The field that names the event which a record was."""

_TIME = "happened_at"
_ONLY_NARROWS = ("minimum", "maximum", "pattern", "max_length", "min_items", "max_items", "unit", "description")


class MergedContract(Contract):
    """The contract of a merge: the fields of all its sources, which of them a record was, and one time.

    A field is required where every source requires it. Where sources narrow its values differently, nothing does here:
    each record was checked by the contract of its own event.

    Args:
        own: What the declaration says of the contract itself.
        sources: Contracts of the events.
        time: Name of the time field; None takes the one that all sources have, or else `happened_at`.

    Raises:
        DeclarationProblem: The sources do not fit each other, or have no such key.
    """

    _sources: tuple[Contract, ...] = PrivateAttr(default=())

    def __init__(self, own: Mapping[str, Any], sources: Sequence[Contract], time: str | None) -> None:
        times = {source.time for source in sources}
        name = time or (times.pop() if len(times) == 1 else _TIME)
        is_told = any(source.progress != source.time for source in sources)
        if is_told and name == TOLD:
            raise DeclarationProblem(
                f"'time' is {TOLD!r}, which is when a label was told", {}, f"time: {_TIME}", ("time",)
            )
        fields = _united(sources, {EVENT, name, *([TOLD] if is_told else [])}, name)
        _check_key(own["key"], fields, sources)
        super().__init__(**own, time=name, fields=fields, max_ahead=max(source.max_ahead for source in sources))
        self._sources = tuple(sources)
        self._progress = TOLD if is_told else None
        self._made_of = tuple(f"{source.label} {source.digest}" for source in sources)

    @property
    def sources(self) -> tuple[Contract, ...]:
        """The contracts of the events."""
        return self._sources


def merged_id(source: str, event_id: str) -> str:
    """Return the id of an event in a merge: two of different sources never have the same.

    >>> merged_id("login", "7f3c")
    'login:7f3c'

    Args:
        source: Name of the event.
        event_id: Its id there.
    """
    found = f"{source}:{event_id}"
    # A header takes no longer one; a digest is as different as the id.
    return found if is_event_id(found) else hashlib.sha256(found.encode()).hexdigest()


def _united(sources: Sequence[Contract], own: set[str], time: str) -> dict[str, Field]:
    """Return the fields of the merge: its own ones first."""
    found = {EVENT: Field(type="enum", values=tuple(source.name for source in sources))}
    found |= {name: Field(type="timestamp") for name in sorted(own - {EVENT})}
    names = dict.fromkeys(name for source in sources for name in source.fields)
    for name in names:
        having = [source for source in sources if name in source.fields]
        if name not in own:
            found[name] = _unite(name, having, in_all=len(having) == len(sources))
            continue
        for source in having:
            if name != (source.time if name == time else source.progress):
                raise DeclarationProblem(
                    f"the merge writes a field {name!r} of its own, and the event {source.name!r} has one",
                    {"field": source.place_of(name)},
                    "time: merged_at" if name == time else f"rename the field {name!r} of {source.name!r}",
                    ("time",) if name == time else ("merge",),
                )
    return found


def _unite(name: str, having: Sequence[Contract], *, in_all: bool) -> Field:
    fields = [source.fields[name] for source in having]
    first = fields[0]
    for source, field in zip(having, fields, strict=True):
        if _shape(field) != _shape(first):
            kinds = f"{first.type} in {having[0].name!r} and {field.type} in {source.name!r}"
            raise DeclarationProblem(
                f"the field {name!r} is {kinds}" + (", of different forms" if field.type == first.type else ""),
                {one.name: one.place_of(name) for one in (having[0], source)},
                f"rename the field {name!r} of one of the two, or give both one type",
                ("merge",),
            )
    _check_hashed(name, having)
    changed: dict[str, Any] = {"required": in_all and all(field.required for field in fields), "default": None}
    changed["pii"] = next((field.pii for field in fields if field.pii), None)
    for constraint in _ONLY_NARROWS:
        if any(getattr(field, constraint) != getattr(first, constraint) for field in fields):
            changed[constraint] = None
    if any(field.allowed != first.allowed for field in fields):
        every = dict.fromkeys(value for field in fields for value in field.allowed or ())
        changed["values"] = tuple(every) if first.type == "enum" else None
    return first.model_copy(update=changed)


def _check_hashed(name: str, having: Sequence[Contract]) -> None:
    hashed = [source for source in having if source.fields[name].pii == "hash"]
    clear = [source for source in having if source not in hashed]
    if hashed and clear:
        raise DeclarationProblem(
            f"the field {name!r} is hashed in {hashed[0].name!r} and not in {clear[0].name!r}:"
            " nothing of one would ever be found in the other",
            {one.name: one.place_of(name) for one in (hashed[0], clear[0])},
            f"pii: hash for the field {name!r} of {clear[0].name!r}, too, or rename it",
            ("merge",),
        )


def _shape(field: Field) -> tuple[object, ...]:
    inner = [(path, one.demands()) for path, one in field.inner.items()]
    return (field.type, field.precision, field.scale, inner)


def _check_key(key: str, fields: Mapping[str, Field], sources: Sequence[Contract]) -> None:
    able = [name for name, field in fields.items() if field.required and field.type in KEY_TYPES]
    if key in able:
        return
    lacking = [source.name for source in sources if key not in source.fields or not source.fields[key].required]
    why = f"which {lacking[0]!r} does not have, or does not require" if lacking else f"of type {fields[key].type}"
    raise DeclarationProblem(
        f"'key' names the field {key!r}, {why}",
        {
            "fields": ", ".join(able) or "none",
            "expected": f"one that all events require, of type {', '.join(KEY_TYPES)}",
        },
        f"key: {closest(key, able) or able[0]}" if able else None,
        ("key",),
    )
