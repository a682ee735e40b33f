"""The contract of labels with the event that they are about, computed from both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import PrivateAttr

from headrace_ingestion.contract import KEY_TYPES, Contract
from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field
from headrace_ingestion.problems import DeclarationProblem

TOLD = "told_at"
"""The field with the time of the label itself: when it was said, however much later it may be known."""

VISIBLE = "visible_at"
"""The time of a join, unless it is called otherwise: from when on the label may be known."""


class JoinedContract(Contract):
    """The contract of a join: the fields of the event and of the label, when it was told, and when it is visible.

    A field of the label that the event has, too, is called `<label>_<field>`. What stood in the lake under an earlier
    version may lack what has a default now, so that is not required here.

    Args:
        own: What the declaration says of the contract itself.
        label: Contract of the labels.
        to: Contract of the event that they are about.
        by: The field of the label with the id of that event.
        delay: How long after the event no label of it counts.
        wait: How long a label waits for its event.
        time: Name of the time field; None: `visible_at`.

    Raises:
        DeclarationProblem: The two do not fit each other, or have no such key.
    """

    _label: Contract | None = PrivateAttr(default=None)
    _to: Contract | None = PrivateAttr(default=None)
    _by: str = PrivateAttr(default="")
    _delay: timedelta = PrivateAttr(default=timedelta())
    _wait: timedelta = PrivateAttr(default=timedelta())

    def __init__(
        self,
        own: Mapping[str, Any],
        label: Contract,
        to: Contract,
        by: str,
        delay: timedelta,
        wait: timedelta,
        time: str | None,
    ) -> None:
        _check_by(by, label)
        visible = time or VISIBLE
        if visible == TOLD:
            raise DeclarationProblem(
                f"'time' is {TOLD!r}, which is when the label was told", {}, f"time: {VISIBLE}", ("time",)
            )
        fields = {visible: Field(type="timestamp"), TOLD: Field(type="timestamp")}
        for name, field in to.fields.items():
            _add(fields, name, field.model_copy(update={"required": field.is_needed, "default": None}), to)
        for name, field in label.fields.items():
            kept = field.model_copy(update={"default": None})
            _add(fields, label_field(label, to, name), kept, label)
        _check_key(own["key"], fields)
        super().__init__(**own, time=visible, fields=fields, max_ahead=delay + max(to.max_ahead, label.max_ahead))
        self._label, self._to, self._by, self._delay, self._wait = label, to, by, delay, wait
        self._progress = TOLD
        sources = [f"{source.label} {source.digest}" for source in (label, to)]
        self._made_of = (*sources, by, str(delay))

    @property
    def label_contract(self) -> Contract:
        """The contract of the labels."""
        return _there(self._label)

    @property
    def to_contract(self) -> Contract:
        """The contract of the event that they are about."""
        return _there(self._to)

    @property
    def sources(self) -> tuple[Contract, ...]:
        """The contracts of the labels and of their event."""
        return (self.label_contract, self.to_contract)

    @property
    def by(self) -> str:
        """The field of the label with the id of the event."""
        return self._by

    @property
    def delay(self) -> timedelta:
        """How long after the event no label of it counts."""
        return self._delay

    @property
    def wait(self) -> timedelta:
        """How long a label waits for its event."""
        return self._wait


def label_field(label: Contract, to: Contract, name: str) -> str:
    """Return what a field of the label is called beside those of its event."""
    return f"{label.name}_{name}" if name in to.fields else name


def _there(contract: Contract | None) -> Contract:
    if contract is None:
        raise RuntimeError("a join is made with its two contracts")
    return contract


def _add(fields: dict[str, Field], name: str, field: Field, source: Contract) -> None:
    if name in fields:
        raise DeclarationProblem(
            f"the join would have two fields {name!r}, one of them of {source.name!r}",
            {"field": source.place_of(name), "expected": "names that differ"},
            f"rename the field of {source.name!r}" if name == TOLD else "time: seen_at, or rename the field",
            ("join",),
        )
    fields[name] = field


def _check_by(by: str, label: Contract) -> None:
    # What is hashed or masked is no event id any more: no label would ever find its event.
    able = [
        name for name, field in label.fields.items() if field.type == "string" and field.is_needed and not field.pii
    ]
    if by not in able:
        hidden = by in label.fields and label.fields[by].pii
        what = f"which is sent with pii: {hidden} and is no event id then" if hidden else "which is no required string"
        raise DeclarationProblem(
            f"'by' names {by!r}, {what}" + ("" if hidden else f" of the event {label.name!r}"),
            {"fields": ", ".join(able) or "none", "contract": label.place_of(by)},
            f"by: {closest(by, able) or able[0]}" if able else None,
            ("join", "by"),
        )


def _check_key(key: str, fields: Mapping[str, Field]) -> None:
    able = [name for name, field in fields.items() if field.is_needed and field.type in KEY_TYPES]
    if key not in able:
        raise DeclarationProblem(
            f"'key' names {key!r}, which no required field of the join is called",
            {"fields": ", ".join(able) or "none", "expected": f"a field of type {', '.join(KEY_TYPES)}"},
            f"key: {closest(key, able) or able[0]}" if able else None,
            ("key",),
        )
