"""How far a feature looks back: a length of time or a number of rows, as declarations write it."""

from __future__ import annotations

import re
from typing import Annotated

import pydantic
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import DURATION_SCHEMA, duration_ms, parse_duration
from headrace_ingestion.listed import OneOrMore
from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_ROWS = re.compile(r"([1-9][0-9]{0,5}) rows?")
_TIME = f"^(?!0+[a-z]){DURATION_SCHEMA['pattern'].removeprefix('^')}"


class Over(BaseModel):
    """The extent of a window: a length of time or a number of rows, and the text that names it in columns.

    Attributes:
        text: As it was declared, such as `24h` or `50 rows`.
        length_ms: Length in milliseconds; 0 for a window of rows.
        rows: Number of rows; 0 for a window of time.
        resolution_ms: Length of the panes of which the window holds whole ones; 0: it holds events.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    length_ms: int
    rows: int
    resolution_ms: int = 0

    @property
    def suffix(self) -> str:
        """Return the text as it stands in the name of a column: `24h`, `50_rows`."""
        return self.text.replace(" ", "_")

    @classmethod
    def parse(cls, text: object) -> Over:
        """Return the extent that `text` says.

        Raises:
            DeclarationProblem: It is neither a length of time above zero nor a number of rows.
        """
        rows = _ROWS.fullmatch(str(text))
        if rows:
            return cls(text=f"{rows[1]} rows", length_ms=0, rows=int(rows[1]))
        try:
            length_ms = duration_ms(parse_duration(str(text)))
        except DeclarationProblem:
            length_ms = 0
        if length_ms <= 0:
            raise DeclarationProblem(
                f"{text!r} is not the extent of a window",
                {"expected": "a length of time above zero in ms, s, m, h or d, or a number of rows up to 999999"},
                "over: [5m, 24h, 50 rows]",
            )
        return cls(text=str(text), length_ms=length_ms, rows=0)


def _over(value: object) -> Over:
    return value if isinstance(value, Over) else Over.parse(value)


def _ago(value: object) -> Over:
    if isinstance(value, Over):
        return value
    text = str(value)
    if _ROWS.fullmatch(text):
        raise DeclarationProblem("'ago' is a length of time, not a number of rows", {}, "steps: [1], or ago: 24h")
    length_ms = duration_ms(parse_duration(text))
    if length_ms == 0:
        raise DeclarationProblem("'ago' is a length of time above zero", {}, "ago: [1h, 24h]")
    return Over(text=text, length_ms=length_ms, rows=0)


_OVER_SCHEMA = {
    "type": "string",
    "pattern": f"({_TIME})|^{_ROWS.pattern}$",
    "patternErrorMessage": "a length of time above zero, such as 24h, or a number of rows, such as 50 rows",
}
TIME_SCHEMA = {
    "type": "string",
    "pattern": _TIME,
    "patternErrorMessage": "a length of time above zero, such as 24h",
}
"""JSON Schema of a duration above zero."""
_Over = Annotated[Over, BeforeValidator(_over), WithJsonSchema(_OVER_SCHEMA, mode="validation")]
_Ago = Annotated[Over, BeforeValidator(_ago), WithJsonSchema(TIME_SCHEMA, mode="validation")]

OptionalOvers = Annotated[tuple[_Over, ...], OneOrMore()]
"""Extents of windows, or none."""
Overs = Annotated[tuple[_Over, ...], pydantic.Field(min_length=1), OneOrMore()]
"""Extents of windows."""
Spans = Annotated[tuple[_Ago, ...], OneOrMore()]
"""Lengths of time, or none."""
