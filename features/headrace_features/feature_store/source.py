"""The table of a view in the lake as a data source of Feast."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from feast import RepoConfig, ValueType
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto

_VALUE_TYPES = {
    "BOOLEAN": ValueType.BOOL, "INTEGER": ValueType.INT64, "BIGINT": ValueType.INT64, "DOUBLE": ValueType.DOUBLE,
    "VARCHAR": ValueType.STRING, "TIMESTAMPTZ": ValueType.UNIX_TIMESTAMP,
}  # fmt: skip


class LakeSource(DataSource):
    """Rows of `features.<view>` in the lake: their instant is the key's clock; they were known from `emitted_at` on.

    Attributes:
        view: Name of the view; its Delta table stands at `<lake>/features/<view>`.
        lake: Folder of the lake.
        declaration: Hash of the declaration whose rows count.

    Args:
        name: Unique name in the project; by default `features.<view>`.
        view: Name of the view.
        lake: Folder of the lake.
        declaration: Hash of the declaration.
        given: What every data source of Feast may have (description, tags, owner).
    """

    def __init__(self, *, view: str, lake: str, declaration: str, name: str | None = None, **given: Any) -> None:
        super().__init__(
            name=name or f"features.{view}", timestamp_field="clock", created_timestamp_column="emitted_at", **given
        )
        self.view = view
        self.lake = lake
        self.declaration = declaration

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LakeSource)
            and bool(super().__eq__(other))  # type: ignore[no-untyped-call]  # feast
            and (self.view, self.lake, self.declaration) == (other.view, other.lake, other.declaration)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.view, self.lake, self.declaration))

    def source_type(self) -> Any:
        """Return Feast's number of a source that it does not know."""
        return DataSourceProto.CUSTOM_SOURCE

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> LakeSource:
        """Return the source that a registry holds."""
        options = json.loads(data_source.custom_options.configuration)
        return LakeSource(
            name=data_source.name,
            view=options["view"],
            lake=options["lake"],
            declaration=options["declaration"],
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )

    def _to_proto_impl(self) -> DataSourceProto:
        options = {"view": self.view, "lake": self.lake, "declaration": self.declaration}
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{LakeSource.__module__}.{LakeSource.__qualname__}",
            custom_options=DataSourceProto.CustomSourceOptions(configuration=json.dumps(options).encode()),
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """Do nothing: the table is made with its first row, and views are declared before."""

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Return the function from a DuckDB type to Feast's."""
        return lambda name: _VALUE_TYPES.get(name, ValueType.STRING)

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return the columns that the table has now and their DuckDB types; none before its first row."""
        from pathlib import Path

        from headrace_lake.snapshots import take_snapshot
        from headrace_lake.views import sql_type

        snapshot = take_snapshot(Path(self.lake), "features", self.view, None)
        return [] if snapshot is None else [(field.name, sql_type(field.type)) for field in snapshot.columns]

    def get_table_query_string(self) -> str:
        """Return the name of the view in `headrace lake sql`."""
        return f'features."{self.view}"'
