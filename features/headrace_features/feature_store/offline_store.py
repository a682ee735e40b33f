"""The lake as Feast's offline store: `get_historical_features` is one ASOF join a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from feast.saved_dataset import SavedDatasetStorage

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.point_in_time import At, Lookup, join_features
from headrace_features.feature_store.protobuf_values import COLUMN_TYPES, primitive
from headrace_features.feature_store.source import LakeSource

if TYPE_CHECKING:
    import pandas as pd


_PULL_SECONDS = 3_600.0


class HeadraceOfflineStoreConfig(FeastConfigBaseModel):
    """The section `offline_store` of `feature_store.yaml`."""

    type: Literal["headrace_features.feature_store.offline_store.HeadraceOfflineStore"] = (
        "headrace_features.feature_store.offline_store.HeadraceOfflineStore"
    )
    at: At = "known"
    """`known`: a value counts from when it was made. `event_time`: from its clock on, whenever it was made."""


class HeadraceOfflineStore(OfflineStore):
    """Reads the Delta tables of the lake; writes nothing: rows come from the job."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **others: object,
    ) -> RetrievalJob:
        """Return the job that gives each row of `entity_df` the values as they stood then.

        Args:
            config: Configuration of the repository.
            feature_views: The views that the references name.
            feature_refs: `view:feature`.
            entity_df: Entities and instants; as a string: an SQL query for DuckDB.
            registry: The registry.
            project: Name of the project.
            full_feature_names: Call a column `view__feature`.
            filter_by_created_timestamp: Use only values that had been made by then, whatever the configuration says.
            others: Options that this store does not have.

        Raises:
            FeatureStoreError: There is no `entity_df`, or it lacks a column.
        """
        if entity_df is None:
            raise _no_entities(others)
        at: At = "known" if filter_by_created_timestamp else config.offline_store.at
        lookups = [_lookup(view, feature_refs, full_feature_names) for view in feature_views]
        lake = _lake(feature_views)
        derived = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)

        def read() -> pa.Table:
            spine, time_column = _spine(entity_df)
            return join_features(lake, spine, lookups, at=at, time_column=time_column)

        keys = [lookup.spine_key or lookup.key for lookup in lookups]
        return LakeRetrievalJob(read, full_feature_names, derived, RetrievalMetadata(feature_refs, keys))

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Return the newest row of each entity in a range of clocks, both ends included; Feast materialises it."""
        columns = [*join_key_columns, *feature_name_columns, timestamp_field, created_timestamp_column]
        return _pull(data_source, columns, start_date, end_date, newest_per=join_key_columns)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return all rows in a range of clocks, both ends included."""
        columns = [*join_key_columns, *feature_name_columns, timestamp_field, created_timestamp_column]
        return _pull(data_source, columns, start_date, end_date, newest_per=[])


class LakeRetrievalJob(RetrievalJob):
    """A query that runs when its result is asked for.

    Args:
        read: Runs it.
        full_feature_names: Whether columns are called `view__feature`.
        on_demand_feature_views: Views that Feast computes from the result.
        metadata: What is retrieved.
    """

    def __init__(
        self,
        read: Callable[[], pa.Table],
        full_feature_names: bool = False,
        on_demand_feature_views: Sequence[OnDemandFeatureView] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._read = read
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = list(on_demand_feature_views)
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether columns are called `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that Feast computes from the result."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What is retrieved."""
        return self._metadata

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Refuse: this store writes nothing.

        Raises:
            FeatureStoreError: Always.
        """
        raise FeatureStoreError(
            "a data set cannot be saved through Feast", {"expected": "an Arrow table: job.to_arrow()"},
            "pyarrow.parquet.write_table(job.to_arrow(), 'training-set.parquet')",
        )  # fmt: skip

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._read()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._read().to_pandas()
        return frame


def _no_entities(given: Iterable[str]) -> FeatureStoreError:
    return FeatureStoreError(
        "get_historical_features was called without entity_df",
        {"expected": "a data frame of entities and instants", "given": ", ".join(sorted(given))},
        "headrace lake sql 'select * from features.<view>' for a range of time",
    )


def _lake(views: Sequence[FeatureView]) -> Path:
    lakes = {_source(view.batch_source).lake for view in views}
    if len(lakes) != 1:
        raise FeatureStoreError(
            f"the views stand in {len(lakes)} lakes",
            {"lakes": ", ".join(sorted(lakes)), "expected": "one"},
            "headrace features apply",
        )
    return Path(lakes.pop())


def _source(source: DataSource | None) -> LakeSource:
    if not isinstance(source, LakeSource):
        raise FeatureStoreError(
            f"the source {getattr(source, 'name', None)!r} is a {type(source).__name__}",
            {"expected": "a LakeSource, as headrace generates it"},
            "headrace features apply",
        )
    return source


def _lookup(view: FeatureView, feature_refs: Sequence[str], full_feature_names: bool) -> Lookup:
    name = view.projection.name_to_use()  # type: ignore[no-untyped-call]  # feast
    # A reference may carry a version, `view@v2:feature`: the registry has resolved it to this view.
    wanted = [ref.partition(":")[2] for ref in feature_refs if ref.partition(":")[0].partition("@")[0] == name]
    types = {field.name: COLUMN_TYPES[primitive(field.dtype)] for field in view.features}
    (key,) = (field.name for field in view.entity_columns)
    source = _source(view.batch_source)
    return Lookup(
        view=source.view,
        key=key,
        columns={column: (types[column], f"{name}__{column}" if full_feature_names else column) for column in wanted},
        ttl_ms=0 if view.ttl is None else round(view.ttl.total_seconds() * 1_000),
        declaration=source.declaration,
        spine_key=view.projection.join_key_map.get(key),
    )


def _spine(entity_df: pd.DataFrame | str) -> tuple[pa.Table, str]:
    if isinstance(entity_df, str):
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            frame = connection.sql(entity_df).to_arrow_table().to_pandas()
    else:
        frame = entity_df
    time_column = infer_event_timestamp_from_entity_df(dict(frame.dtypes))
    return pa.Table.from_pandas(frame, preserve_index=False), time_column


def _pull(
    source: DataSource,
    columns: Sequence[str | None],
    start: datetime | None,
    end: datetime | None,
    newest_per: Sequence[str],
) -> RetrievalJob:
    lake_source = _source(source)

    def read() -> pa.Table:
        from headrace_lake import Lake
        from headrace_lake.query import Limits
        from headrace_lake.views import quoted

        shown = ", ".join(quoted(name) for name in columns if name)
        newest = ""
        if newest_per:
            keys = ", ".join(quoted(name) for name in newest_per)
            newest = (
                f"QUALIFY row_number() OVER (PARTITION BY {keys} "
                "ORDER BY (generation, clock, source_offset, revision, emitted_at) DESC) = 1"
            )
        query = (
            f"SELECT {shown} FROM {lake_source.get_table_query_string()} "
            f"WHERE declaration = $declaration AND clock >= $start AND clock <= $end {newest}"
        )
        parameters = {
            "declaration": lake_source.declaration,
            "start": _utc(start) or datetime.min.replace(tzinfo=UTC),
            "end": _utc(end) or datetime.max.replace(tzinfo=UTC),
        }
        return Lake(lake_source.lake).sql(query, parameters, Limits(seconds=_PULL_SECONDS)).arrow()

    return LakeRetrievalJob(read)


def _utc(instant: datetime | None) -> Any:
    return instant if instant is None or instant.tzinfo else instant.replace(tzinfo=UTC)
