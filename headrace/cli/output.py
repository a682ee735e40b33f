"""How a command answers: a table or a text for people, JSON for programs; always on stdout."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

Format = Literal["text", "json"]


@dataclass(frozen=True)
class Output:
    """Renders what a command found.

    Attributes:
        format: `text` for people, `json` for programs.
        stream: Where it goes; stdout when None.
    """

    format: Format = "text"
    stream: TextIO | None = None

    @property
    def is_json(self) -> bool:
        """Whether a program reads this."""
        return self.format == "json"

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        empty: str = "nothing",
        width: int | None = None,
    ) -> None:
        """Show rows: a table, or a JSON list of objects.

        Args:
            columns: Names of the columns; the keys of the objects.
            rows: Values of each row, in the order of the columns.
            empty: Shown to people when there is no row.
            width: Most characters of a line where there is no terminal, longer cells go on in the next line; None: a
                row is a line.
        """
        listed = [list(row) for row in rows]
        if self.is_json:
            self._json([dict(zip(columns, row, strict=True)) for row in listed])
        elif not listed:
            self.line(empty)
        else:
            self._draw(columns, listed, width)

    def record(self, fields: Mapping[str, object]) -> None:
        """Show one object: a line for each field, or a JSON object."""
        if self.is_json:
            self._json(fields)
            return
        width = max((len(name) for name in fields), default=0)
        for name, value in fields.items():
            self.line(f"{name:<{width}}  {shown(value)}")

    def data(self, value: object, text: str) -> None:
        """Show the value as JSON to a program, and the text to people."""
        if self.is_json:
            self._json(value)
        else:
            self.line(text)

    def line(self, text: str) -> None:
        """Write one line as it is."""
        self._out.write(f"{text}\n")

    @property
    def _out(self) -> TextIO:
        return self.stream or sys.stdout

    def _json(self, value: object) -> None:
        self.line(json.dumps(value, ensure_ascii=False, default=_plain))

    def _draw(self, columns: Sequence[str], rows: list[list[object]], width: int | None) -> None:
        # rich costs 0.1 s to import and is not needed for JSON.
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for index, name in enumerate(columns):
            numbers = all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
            drawn.add_column(name, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(shown(value)) for value in row))
        is_pipe = not self._out.isatty()
        console = Console(file=self._out, soft_wrap=is_pipe and width is None, highlight=False)
        if is_pipe:
            # A pipe has no width: nothing is cut there.
            console.width = width or 10_000
        console.print(drawn)


def shown(value: object) -> str:
    """Return a value as people read it: nothing as `-`, numbers short, the rest as it is."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _plain(value: object) -> Any:
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)
