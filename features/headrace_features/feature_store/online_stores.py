"""The guarded online stores as classes of Feast: what Feast writes goes through the same guard as the writer's rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from headrace_ingestion.clock import Clock, SystemClock

from headrace_features.feature_store.protobuf_values import from_protobuf, key_text, primitive, to_protobuf
from headrace_features.online.config import OnlineConfig, open_store
from headrace_features.online.lookup import freshness
from headrace_features.online.row import OnlineRow, Order
from headrace_features.online.store import GuardedStore

DECLARATION_TAG = "headrace_declaration"
"""Tag of a Feast feature view: the hash of the declaration whose rows it may serve."""

FeastRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""Entity key, features, event time, and when the row was made."""


class HeadraceSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """The section `online_store` of `feature_store.yaml` for SQLite."""

    type: Literal["headrace_features.feature_store.online_stores.HeadraceSqliteOnlineStore"] = (
        "headrace_features.feature_store.online_stores.HeadraceSqliteOnlineStore"
    )
    path: str
    """The file; relative to the repository."""


class HeadraceValkeyOnlineStoreConfig(FeastConfigBaseModel):
    """The section `online_store` of `feature_store.yaml` for Valkey."""

    type: Literal["headrace_features.feature_store.online_stores.HeadraceValkeyOnlineStore"] = (
        "headrace_features.feature_store.online_stores.HeadraceValkeyOnlineStore"
    )
    url: str
    namespace: str = "headrace"


class GuardedOnlineStore(OnlineStore):
    """What both stores share: Feast's calls in terms of guarded rows."""

    clock: Clock = SystemClock()
    """Tells how old values are."""

    _store: GuardedStore | None = None

    @abstractmethod
    def online_config(self, config: RepoConfig) -> OnlineConfig:
        """Return which store the repository names."""

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Return clock and values of each entity.

        Values older than the view's ttl, and those of another declaration, are withheld: the answer then holds their
        clock and no values, which Feast reports as null with the status NOT_FOUND.
        """
        types = {field.name: primitive(field.dtype) for field in table.features}
        names = list(types) if requested_features is None else requested_features
        declaration = table.tags.get(DECLARATION_TAG)
        ttl_ms = _milliseconds(table)
        now_ms = self.clock.now_ms()
        answers: list[tuple[datetime | None, dict[str, Value] | None]] = []
        for row in self._opened(config).read(table.name, [key_text(key) for key in entity_keys]):
            if row is None:
                answers.append((None, None))
            elif freshness(row, ttl_ms=ttl_ms, now_ms=now_ms, declaration=declaration) != "fresh":
                answers.append((_instant(row.order.clock_ms), None))
            else:
                features = row.features()
                values = {name: to_protobuf(features.get(name), types[name]) for name in names if name in types}
                answers.append((_instant(row.order.clock_ms), values))
        return answers

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Store what Feast pushes or materialises, where it is newer than what stands there.

        Feast knows neither generation nor offset: a row counts as one of the key's present generation at its event
        time, before every row that the job wrote for the same instant.
        """
        if not data:
            return
        store = self._opened(config)
        keys = [key_text(row[0]) for row in data]
        stored = store.read(table.name, keys)
        generations = [0 if row is None else row.order.generation for row in stored]
        declaration = table.tags.get(DECLARATION_TAG, "")
        rows = [
            _row(key, generation, declaration, row)
            for key, generation, row in zip(keys, generations, data, strict=True)
        ]
        store.write(table.name, rows)
        if progress is not None:
            progress(len(data))

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Remove the rows of views that are no more; the rest needs no preparation."""
        for table in tables_to_delete:
            self._opened(config).drop(table.name)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove the rows of all these views."""
        for table in tables:
            self._opened(config).drop(table.name)

    def _opened(self, config: RepoConfig) -> GuardedStore:
        if self._store is None:
            self._store = open_store(self.online_config(config))
        return self._store


class HeadraceSqliteOnlineStore(GuardedOnlineStore):
    """Feast's view of the SQLite store."""

    def online_config(self, config: RepoConfig) -> OnlineConfig:
        """Return the file that the repository names."""
        path = Path(config.online_store.path)
        return OnlineConfig("sqlite", path=path if config.repo_path is None else Path(config.repo_path) / path)


class HeadraceValkeyOnlineStore(GuardedOnlineStore):
    """Feast's view of the Valkey store."""

    def online_config(self, config: RepoConfig) -> OnlineConfig:
        """Return the server that the repository names."""
        return OnlineConfig("valkey", url=config.online_store.url, namespace=config.online_store.namespace)


def _row(key: str, generation: int, declaration: str, pushed: FeastRow) -> OnlineRow:
    _, values, event_time, created = pushed
    clock_ms = _epoch_ms(event_time)
    features = {name: from_protobuf(value) for name, value in values.items()}
    order = Order(generation, clock_ms, 0, 0, 0 if created is None else _epoch_ms(created))
    return OnlineRow(key, order, clock_ms, declaration, OnlineRow.encode(features))


def _milliseconds(table: FeatureView) -> int:
    return 0 if table.ttl is None else round(table.ttl.total_seconds() * 1_000)


def _epoch_ms(instant: datetime) -> int:
    # Feast drops the zone of its instants, which are UTC.
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1_000)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
