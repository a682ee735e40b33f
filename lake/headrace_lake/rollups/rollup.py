"""A roll-up and its SQL. Knows neither files nor tables as they stand."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_lake.views import quoted


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is taken of the values of a field.

    Attributes:
        name: The column.
        field: The field.
        statistic: What is taken.
        is_bool: Whether the field is true or false, which count as 1 and 0.
    """

    name: str
    field: str
    statistic: str
    is_bool: bool = False

    @property
    def sql(self) -> str:
        """The aggregate over the rows of a pane; nulls do not count."""
        value = quoted(self.field)
        number = f"CAST({f'CAST({value} AS INT)' if self.is_bool else value} AS DOUBLE)"
        forms = {
            "count": f"count({value})",
            "distinct": f"count(DISTINCT {value})",
            "sum": f"COALESCE(fsum({number}), 0e0)",
            "mean": f"favg({number})",
            "std": f"CASE WHEN min({number}) = max({number}) THEN 0e0 ELSE stddev_pop({number}) END",
            "min": f"min({number})",
            "max": f"max({number})",
        }
        return forms[self.statistic]


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table of events by key and pane of time.

    Attributes:
        name: Name of the table: `rollups.<name>`.
        event: Name of the table of events: `events.<event>`.
        time: Column of event time there.
        by: Columns that make a row.
        every_ms: Length of a pane.
        lateness_ms: How far the newest event has to be past the end of a pane until that has its rows.
        aggregates: The columns beside the number of events.
        digest: Twelve hexadecimal digits of all that decides about its values.
    """

    name: str
    event: str
    time: str
    by: tuple[str, ...]
    every_ms: int
    lateness_ms: int
    aggregates: tuple[Aggregate, ...]
    digest: str

    @property
    def full_name(self) -> str:
        """Name in SQL."""
        return f"rollups.{self.name}"

    def pane_of(self, at_ms: int) -> int:
        """Return the beginning of the pane that an instant is in, both in milliseconds since 1970."""
        return at_ms // self.every_ms * self.every_ms

    def closed_before(self, newest_ms: int) -> int:
        """Return up to where panes are closed when this is the newest event, in milliseconds since 1970."""
        return self.pane_of(newest_ms - self.lateness_ms)

    def sql(self, begin_ms: int | None, end_ms: int, now_ms: int) -> str:
        """Return the query of the rows of some panes.

        Args:
            begin_ms: Beginning of the first pane, in milliseconds since 1970; None: of all before the end.
            end_ms: End of the last one.
            now_ms: What stands as the time at which the rows were made.
        """
        keys = [quoted(name) for name in self.by]
        at_ms = f"epoch_ms({quoted(self.time)})"
        # Division of whole numbers cuts towards zero: instants before 1970 would fall into the pane behind their own.
        pane = f"CAST(floor({at_ms} / {self.every_ms}) AS BIGINT) * {self.every_ms}"
        begin = "" if begin_ms is None else f"{at_ms} >= {begin_ms} AND "
        columns = [
            *keys,
            f"make_timestamptz({pane} * 1000) AS pane_start",
            "count(*) AS events",
            *(f"{aggregate.sql} AS {quoted(aggregate.name)}" for aggregate in self.aggregates),
            f"make_timestamptz({now_ms} * 1000) AS _recorded_at",
        ]
        groups = ", ".join([*keys, pane])
        return (
            f"SELECT {', '.join(columns)}\nFROM events.{quoted(self.event)}\nWHERE {begin}{at_ms} < {end_ms}\n"
            f"GROUP BY {groups}\nORDER BY pane_start, {', '.join(keys)}"
        )
