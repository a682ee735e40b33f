"""The rows of a table against those that were read anew from its topic, place by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deltalake import DeltaTable

from headrace_lake.delta_table import active_files, deleted_before, stored_schema
from headrace_lake.forgotten import KEY, kind_column
from headrace_lake.partitions import partition_types, stored_partition
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.rewrite import Engine, ask
from headrace_lake.views import Snapshot, quoted, rows_of, text, text_list

IS_OF_TOPIC = '"_offset" >= 0'
"""Rows that stand in the topic; imported, backfilled and noted ones do not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table and its topic.

    Attributes:
        table: `<schema>.<name>`.
        rows: Rows of the table that come from the topic.
        rows_anew: Rows that were read anew.
        kept: Rows that never stood in the topic: imported, backfilled; they are taken over.
        lost: Rows that the topic no longer holds.
        added: Rows that the table lacks.
        changed: Rows of the same place with other values.
        content: Hash of all rows of the table that come from the topic, whatever their order.
        content_anew: Hash of those that were read anew; equal rows have one hash.
    """

    table: str
    rows: int
    rows_anew: int
    kept: int
    lost: int
    added: int
    changed: int
    content: str
    content_anew: str

    @property
    def is_equal(self) -> bool:
        """Whether the rows are the same, in number, content and place."""
        return self.content == self.content_anew and self.rows == self.rows_anew and not self.differences

    @property
    def differences(self) -> int:
        """Rows that are lost, added or changed."""
        return self.lost + self.added + self.changed


def compare(spec: TableSpec, old: DeltaTable | None, fresh: DeltaTable, left_out: str, engine: Engine) -> Comparison:
    """Return how the rows that were read anew differ from those of the table.

    Args:
        spec: The table.
        old: The table; None: there is none.
        fresh: The table that was read anew.
        left_out: Condition of fresh rows that do not count: their deletion was wanted.
        engine: What may be used.

    Raises:
        duckdb.Error: A file cannot be read.
    """
    columns = ", ".join(quoted(column.name) for column in spec.all_columns)
    before = _rows(spec, old)
    after = f"(SELECT * FROM {_rows(spec, fresh)} WHERE ({left_out}) IS NOT TRUE)"
    same = f"struct_pack({', '.join(f'{quoted(c.name)} := {{0}}.{quoted(c.name)}' for c in spec.all_columns)})"
    is_changed = f"{same.format('o')} IS DISTINCT FROM {same.format('n')}"
    of_rows = f"SELECT count(*), CAST(COALESCE(sum(hash({columns})::HUGEINT), 0) AS VARCHAR) FROM"
    ((rows, hashed),) = ask(f"{of_rows} {before} WHERE {IS_OF_TOPIC}", engine)
    ((rows_anew, hashed_anew),) = ask(f"{of_rows} {after}", engine)
    ((kept,),) = ask(f"SELECT count(*) FROM {before} WHERE ({IS_OF_TOPIC}) IS NOT TRUE", engine)
    ((lost, added, changed),) = ask(
        "SELECT count(*) FILTER (n._offset IS NULL), count(*) FILTER (o._offset IS NULL), "
        f"count(*) FILTER (o._offset IS NOT NULL AND n._offset IS NOT NULL AND {is_changed}) "
        f"FROM (SELECT * FROM {before} WHERE {IS_OF_TOPIC}) AS o FULL JOIN {after} AS n "
        "ON o._partition = n._partition AND o._offset = n._offset",
        engine,
    )
    return Comparison(spec.full_name, rows, rows_anew, kept, lost, added, changed, hashed, hashed_anew)


def undeclared_columns(spec: TableSpec, old: DeltaTable) -> list[str]:
    """Return columns that the table has and its declaration has not: a rebuilt row cannot have their values."""
    declared = set(arrow_schema(spec).names)
    if (partition := stored_partition(old)) is not None and partition.period is not None:
        declared.add(partition.column)  # computed from the event time
    return [name for name in stored_schema(old).names if name not in declared]


def wanted_deletions(spec: TableSpec, old: DeltaTable | None, forgotten: Sequence[str]) -> str:
    """Return the condition of rows that stand in the topic and were deleted on purpose: by age, or on demand.

    Args:
        spec: The table.
        old: The table.
        forgotten: Files of `ops.forgotten`.
    """
    found = ["FALSE"]
    before = None if old is None else deleted_before(old)
    if before is not None:
        found.append(f"{quoted(spec.time_column)} < {text(before.isoformat())}::TIMESTAMPTZ")
    if forgotten:
        found += _forgotten_rows(spec, forgotten)
    return " OR ".join(found)


def _forgotten_rows(spec: TableSpec, forgotten: Sequence[str]) -> list[str]:
    # Keys of which only some rows were forgotten stand there, too: the rest of those belongs to others.
    digests = (
        f"(SELECT * FROM read_parquet({text_list(forgotten)}, union_by_name = true) "
        f'WHERE "table" = {text(spec.full_name)} AND "field" <> \'{KEY}\')'
    )
    names = _names(spec)
    kind = kind_column(spec.full_name, names)
    of_kind = f"(f.kind IS NULL OR f.kind = {quoted(kind)})" if kind in names else "f.kind IS NULL"
    fields = [field for (field,) in ask(f"SELECT DISTINCT field FROM {digests} ORDER BY field", Engine())]
    return [
        f"EXISTS (SELECT 1 FROM {digests} AS f WHERE f.field = {text(field)} AND {of_kind} "
        f'AND f.digest = sha256(f.salt || CAST({quoted(field)} AS VARCHAR)) AND "_recorded_at" <= f.forgotten_at)'
        for field in fields
        if field in names
    ]


def _names(spec: TableSpec) -> set[str]:
    return {column.name for column in spec.all_columns}


def _rows(spec: TableSpec, handle: DeltaTable | None) -> str:
    files = () if handle is None else tuple(active_files(handle))
    partitions = {} if handle is None else partition_types(handle)
    return f"({rows_of(Snapshot(spec.schema, spec.name, arrow_schema(spec), files, partitions=partitions))})"
