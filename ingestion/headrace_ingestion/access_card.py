"""The access card of an event: who reads its table, by what key and range, and so how the table is laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias, get_args

import pydantic
from pydantic import BaseModel, ConfigDict, model_validator

from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field
from headrace_ingestion.problems import DeclarationProblem

Period: TypeAlias = Literal["month", "day", "hour"]
"""What a partition of the event time holds, in UTC."""

PERIODS: Final[tuple[Period, ...]] = get_args(Period)

# A value is the name of a folder, in Delta as in Hive; an empty one would come back as null.
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NO_ORDER = ("list", "map", "object")


class AccessCard(BaseModel):
    """Who reads an event's table, by what key and range.

    Attributes:
        partition: `month`, `day` or `hour` of the event time, or a field of few values; None: no partitions.
        sort: Fields that rows are sorted by inside a compacted file; key and time come behind those that are missing.
        readers: Who reads what; for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="who reads the table of an event, and by what")

    partition: str | None = None
    sort: Annotated[tuple[str, ...], pydantic.Field(json_schema_extra={"uniqueItems": True})] = ()
    readers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> AccessCard:
        if len(set(self.sort)) < len(self.sort):
            raise DeclarationProblem(
                "'sort' names a field twice", {"expected": "different fields"}, "remove one", ("sort",)
            )
        return self

    @property
    def period(self) -> Period | None:
        """The period of event time that a partition holds; None: partitions are of a field, or there are none."""
        return next((period for period in PERIODS if period == self.partition), None)

    def by_another_key(self) -> AccessCard | None:
        """Return the card of the same event in the order of another key: periods stay, fields are of the first key."""
        return None if self.period is None else AccessCard(partition=self.period)


def check_access(card: AccessCard, fields: Mapping[str, Field], key: str) -> None:
    """Do nothing when the fields that a card names can do what it says.

    Args:
        card: The card.
        fields: Fields of the event.
        key: The key of the event.

    Raises:
        DeclarationProblem: A field is not there, has no order, or has too many values to be a partition.
    """
    for name in card.sort:
        if name not in fields or fields[name].type in _NO_ORDER:
            able = [one for one, field in fields.items() if field.type not in _NO_ORDER]
            why = f"which is a {fields[name].type}" if name in fields else "which the contract does not have"
            raise DeclarationProblem(
                f"'sort' names the field {name!r}, {why}",
                {"fields": ", ".join(able)},
                closest(name, able),
                ("access", "sort"),
            )
    if card.partition is None or card.period is not None:
        return
    able = [name for name, field in fields.items() if name != key and _is_folder_name(field)]
    if card.partition not in able:
        why = "which cannot be one" if card.partition in fields else "which the contract does not have"
        raise DeclarationProblem(
            f"'partition' names the field {card.partition!r}, {why}",
            {
                "fields": ", ".join(able) or "none",
                "expected": f"{', '.join(PERIODS)}, or a bool, enum or string (not the key, no pii) with `values` of"
                " letters, digits, '_', '.' and '-'",
            },
            f"partition: {closest(card.partition, [*able, *PERIODS]) or 'day'}",
            ("access", "partition"),
        )


def _is_folder_name(field: Field) -> bool:
    if field.pii is not None or field.type not in ("bool", "enum", "string"):
        return False
    if field.type == "bool":
        return True
    return bool(field.allowed) and all(_FOLDER.fullmatch(str(value)) for value in field.allowed or ())
