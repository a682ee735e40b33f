"""Lookups while scoring: the newest values of other entities, from the online store, a read for each view and batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace_features.online.lookup import freshness

from headrace_models.lookups import ModelLookup
from headrace_models.scoring.rows import FeatureRow

if TYPE_CHECKING:
    from headrace_features.online.row import OnlineRow
    from headrace_features.online.store import GuardedStore


@dataclass(frozen=True)
class OnlineLookups:
    """The lookups of a model over an online store.

    Attributes:
        store: Where the values stand.
        lookups: The lookups.
    """

    store: GuardedStore
    lookups: Sequence[ModelLookup]

    def complete(self, rows: Sequence[FeatureRow]) -> list[FeatureRow]:
        """Return the rows with the columns of the lookups.

        They are null where the key is null or unknown, where the values are older than the ttl at the clock of the
        row, and where another declaration computed them. A row that has no column of the key stays as it is: a model
        that needs the lookup cannot score it.

        Raises:
            OnlineStoreUnavailableError: The store does not answer.
        """
        added: list[dict[str, Any]] = [{} for _ in rows]
        for lookup in self.lookups:
            stored = self._stored(lookup, rows)
            for row, values in zip(rows, added, strict=True):
                if lookup.key in row.fields:
                    found = stored.get(str(row.fields[lookup.key]))
                    values.update(_values(lookup, row, found))
        return [replace(row, fields={**row.fields, **values}) for row, values in zip(rows, added, strict=True)]

    def _stored(
        self, lookup: ModelLookup, rows: Sequence[FeatureRow]
    ) -> Mapping[str, tuple[OnlineRow, dict[str, Any]]]:
        given = (row.fields.get(lookup.key) for row in rows)
        keys = list(dict.fromkeys(str(key) for key in given if key is not None))
        found = zip(keys, self.store.read(lookup.view.name, keys), strict=True) if keys else ()
        return {key: (row, row.features()) for key, row in found if row is not None}


def _values(lookup: ModelLookup, row: FeatureRow, found: tuple[OnlineRow, dict[str, Any]] | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(lookup.names)
    stored, features = found
    state = freshness(stored, ttl_ms=lookup.view.ttl_ms, now_ms=row.fields["clock_ms"], declaration=lookup.view.digest)
    if state != "fresh":
        return dict.fromkeys(lookup.names)
    return {name: features.get(column) for column, name in zip(lookup.columns, lookup.names, strict=True)}
