"""A lookup of a model: which columns of a view with another key it reads, and by what."""

from __future__ import annotations

from datetime import timedelta

from headrace_ingestion.contract import Name
from headrace_ingestion.durations import Duration
from pydantic import BaseModel, ConfigDict


class LookupDeclaration(BaseModel):
    """Columns of another view, by a key that stands in the rows of the model's own.

    The model calls them `<view>__<column>`.

    Attributes:
        view: The view that is looked up.
        key: Column of the model's own view that holds the entity; None: the one named like the key of the view.
        features: Columns of the view, in order; None: all numeric and bool ones.
        after: In training a row of the view counts this long after its clock: its way to the online store takes time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="lookup")

    view: Name
    key: str | None = None
    features: tuple[str, ...] | None = None
    after: Duration = timedelta(seconds=1)
