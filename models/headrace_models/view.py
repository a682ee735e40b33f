"""What a model needs to know of a feature view: its columns, its longest window, its hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from headrace_features.view import View

ColumnType = Literal["bool", "int", "long", "double", "string", "timestamp"]

NUMERIC: frozenset[str] = frozenset({"bool", "int", "long", "double"})
"""Column types that a recipe can read; a bool is 0 or 1."""


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A feature view as models see it.

    Attributes:
        name: Name of the view; its rows stand in `features.<name>`.
        key: Column that holds the entity key.
        columns: Feature columns and their types, in the order of the view.
        longest_window: How far back a row may look; the least gap between the parts of a training set.
        digest: Hash of the view's declaration, as on every row.
    """

    name: str
    key: str
    columns: tuple[tuple[str, ColumnType], ...]
    longest_window: timedelta
    digest: str

    @property
    def numeric_columns(self) -> tuple[str, ...]:
        """Names of the columns that a recipe can read, in the order of the view."""
        return tuple(name for name, column_type in self.columns if column_type in NUMERIC)


def feature_view(view: View) -> FeatureView:
    """Return what models need of a resolved view."""
    return FeatureView(
        name=view.name,
        key=view.key,
        columns=tuple((column.name, column.type) for column in view.columns),
        longest_window=timedelta(milliseconds=view.longest_window_ms),
        digest=view.digest,
    )
