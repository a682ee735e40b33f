"""The rows that the training-set benchmark joins: views in a lake, the same rows as Parquet for Feast, and labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.project import Project, open_project
from headrace.tables import lake_path, project_tables

HOT_SHARE = 0.1
"""Share of the rows, and of the labels, that belong to one key."""

TTL_DAYS = 7
SPAN_DAYS = 30
KEY = "customer_id"
TIME = "event_timestamp"

_START_MS = 1_767_225_600_000  # 2026-01-01
_DAY_MS = 86_400_000
_CHUNK_ROWS = 100_000
_SEED = 20_260_101


@dataclass(frozen=True)
class Shape:
    """How much is joined.

    Attributes:
        rows: Labels, and rows of each view.
        views: Views.
        features: Columns of each view, doubles.
        keys: Keys; one of them has `HOT_SHARE` of all.
    """

    rows: int
    views: int
    features: int
    keys: int

    @property
    def view_names(self) -> list[str]:
        """Names of the views."""
        return [f"view_{number}" for number in range(1, self.views + 1)]

    def columns(self, view: str) -> list[str]:
        """Return the columns of a view."""
        return [f"{_field(view)}_lag_{step}" for step in range(1, self.features + 1)]


def make_data(folder: Path, shape: Shape, *, for_feast: bool) -> Project:
    """Write a project with a full lake, and the labels, into an empty folder; the same rows for Feast, if asked for."""
    import pyarrow.parquet

    project = make_project(folder, shape)
    pyarrow.parquet.write_table(_labels(shape), labels_file(folder))
    for number, name in enumerate(shape.view_names):
        _write_view(project, folder, shape, name, number, for_feast=for_feast)
    return project


def labels_file(folder: Path) -> Path:
    """Return the file of the labels."""
    return folder / "labels.parquet"


def feast_file(folder: Path, view: str) -> Path:
    """Return the file that holds the rows of a view for Feast's stock store."""
    return folder / f"{view}.parquet"


def make_project(folder: Path, shape: Shape) -> Project:
    """Write the declarations into a folder: an event, and the views over it."""
    fields = "".join(f"  {_field(name)}: {{type: double}}\n" for name in shape.view_names)
    steps = list(range(1, shape.features + 1))
    texts = {
        "headrace.yaml": "name: bench\n",
        "events/sale.yaml": (
            f"name: sale\nversion: 1\nkey: {KEY}\ntime: at\n"
            f"fields:\n  {KEY}: {{type: string}}\n  at: {{type: timestamp}}\n{fields}"
        ),
    }
    for name in shape.view_names:
        texts[f"features/{name}.yaml"] = (
            f"name: {name}\nsource: sale\nkey: {KEY}\nttl: {TTL_DAYS}d\n"
            f"features:\n  - lag: {{of: {_field(name)}, steps: {steps}}}\n"
        )
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return open_project(folder, environ={})


def _field(view: str) -> str:
    return view.replace("view", "amount")


def _labels(shape: Shape) -> Any:
    """Return the labels, in no order of time."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(_SEED)
    at_ms = _START_MS + random.integers(0, SPAN_DAYS * _DAY_MS, shape.rows)
    return pa.table({
        "label_id": pa.array(np.arange(shape.rows)),
        KEY: _keys(random, shape.rows, shape.keys),
        TIME: pa.array(at_ms, pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC")),
        "label": pa.array(random.random(shape.rows) < 0.01),
    })  # fmt: skip


def _write_view(project: Project, folder: Path, shape: Shape, name: str, number: int, *, for_feast: bool) -> None:
    import pyarrow.parquet
    from deltalake import write_deltalake
    from headrace_lake.delta_table import open_for_append

    (spec,) = (spec for spec in project_tables(project) if spec.full_name == f"features.{name}")
    shown = [KEY, "clock", "emitted_at", *shape.columns(name)]
    writer = None
    for chunk in _chunks(project, shape, name, number):
        write_deltalake(open_for_append(lake_path(project), spec), chunk, mode="append")
        if for_feast:
            part = chunk.select(shown)
            writer = writer or pyarrow.parquet.ParquetWriter(feast_file(folder, name), part.schema)
            writer.write_table(part)
    if writer is not None:
        writer.close()


def _chunks(project: Project, shape: Shape, name: str, number: int) -> Iterator[Any]:
    """Yield the rows of a view: clocks of their own, made some time after them, a hundredth of them an hour late."""
    import numpy as np
    import pyarrow as pa
    from headrace_lake.schemas import arrow_schema

    (spec,) = (spec for spec in project_tables(project) if spec.full_name == f"features.{name}")
    schema = arrow_schema(spec)
    random = np.random.default_rng(_SEED + 1 + number)
    step_ms = SPAN_DAYS * _DAY_MS / shape.rows
    for first in range(0, shape.rows, _CHUNK_ROWS):
        offsets = np.arange(first, min(first + _CHUNK_ROWS, shape.rows))
        clock_ms = _START_MS + (offsets * step_ms).astype(np.int64)
        made_ms = clock_ms + random.integers(5, 500, len(offsets))
        made_ms += np.where(random.random(len(offsets)) < 0.01, 3_600_000, 0)
        keys = _keys(random, len(offsets), shape.keys)
        columns: dict[str, Any] = {
            "event_id": pa.array(offsets).cast(pa.string()), KEY: keys, "_key": keys,
            "declaration": pa.array([project.views[name].digest] * len(offsets)),
            "source_offset": pa.array(offsets), "_offset": pa.array(offsets),
        }  # fmt: skip
        columns |= dict.fromkeys(("event_time", "clock", "ingested_at", "_recorded_at"), _instants(clock_ms))
        columns["emitted_at"] = _instants(made_ms)
        columns |= {column: pa.array(random.normal(size=len(offsets))) for column in shape.columns(name)}
        zeros = pa.array(np.zeros(len(offsets), dtype=np.int64))
        yield pa.table([columns.get(field.name, zeros).cast(field.type) for field in schema], schema=schema)


def _keys(random: Any, rows: int, keys: int) -> Any:
    import numpy as np
    import pyarrow as pa

    numbers = np.where(random.random(rows) < HOT_SHARE, 0, random.integers(min(1, keys - 1), keys, rows))
    return pa.array(np.char.add("c-", numbers.astype(str)))


def _instants(milliseconds: Any) -> Any:
    import pyarrow as pa

    return pa.array(milliseconds, pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
