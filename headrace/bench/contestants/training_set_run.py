"""One training set, made by a process of its own, so that the peak of its memory is that of the join."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from headrace.bench.errors import BenchError
from headrace.bench.training_set_data import KEY, TTL_DAYS, Shape, feast_file, labels_file
from headrace.stack.leash import hold_leash

Joiner = Literal["headrace", "feast_duckdb"]


@dataclass(frozen=True)
class JoinSpec:
    """One run.

    Attributes:
        joiner: Who joins.
        folder: What `make_data` has filled.
        shape: How much that is.
        result: The Parquet file for the result; None: it is dropped.
    """

    joiner: Joiner
    folder: str
    shape: Shape
    result: str | None = None

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "JoinSpec":
        """Return the run that the text describes."""
        data = json.loads(text)
        return cls(data["joiner"], data["folder"], Shape(**data["shape"]), data["result"])


def run(spec: JoinSpec) -> dict[str, Any]:
    """Join, and return rows, seconds, and memory in bytes: before the join, and the peak.

    Raises:
        BenchError: Feast's DuckDB store is not installed.
    """
    import pyarrow.parquet

    labels = pyarrow.parquet.read_table(labels_file(Path(spec.folder)))
    join = _headrace(spec, labels) if spec.joiner == "headrace" else _feast_duckdb(spec, labels)
    before_bytes = _peak_memory_bytes()
    began = time.perf_counter()
    table = join()
    seconds = time.perf_counter() - began
    peak_bytes = _peak_memory_bytes()
    if spec.result is not None:
        pyarrow.parquet.write_table(table, spec.result)
    return {
        "rows": table.num_rows,
        "seconds": seconds,
        "memory_before_bytes": before_bytes,
        "peak_memory_bytes": peak_bytes,
    }


def _headrace(spec: JoinSpec, labels: Any) -> Callable[[], Any]:
    # Neither imports nor declarations are part of a join; Feast has applied its own by now, too.
    import duckdb  # noqa: F401
    import headrace_features.feature_store.training_set  # noqa: F401
    import headrace_lake.snapshots  # noqa: F401

    from headrace.project import open_project

    project = open_project(spec.folder, environ={})
    features, names = project.features, list(project.views)
    return lambda: features.training_set(names, labels)


def _feast_duckdb(spec: JoinSpec, labels: Any) -> Callable[[], Any]:
    """Return the call of Feast with its own DuckDB store, set up as its documentation says, with the same cut."""
    try:
        import feast.infra.offline_stores.duckdb  # noqa: F401
    except ImportError as error:
        raise BenchError(
            "Feast's DuckDB store is not installed",
            {"expected": "the dependency group bench", "missing": str(error)},
            "uv sync --group bench",
        ) from error
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    folder = Path(spec.folder)
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store=None,
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=name,
            entities=[customer],
            ttl=timedelta(days=TTL_DAYS),
            schema=[Field(name=column, dtype=Float64) for column in spec.shape.columns(name)],
            source=FileSource(
                name=f"{name}_rows",
                path=str(feast_file(folder, name)),
                timestamp_field="clock",
                created_timestamp_column="emitted_at",
            ),
        )
        for name in spec.shape.view_names
    ]
    store.apply([customer, *views])
    wanted = [f"{name}:{column}" for name in spec.shape.view_names for column in spec.shape.columns(name)]
    frame = labels.to_pandas()
    return lambda: store.get_historical_features(
        entity_df=frame, features=wanted, filter_by_created_timestamp=True
    ).to_arrow()


def _peak_memory_bytes() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        # Not what getrusage says: that begins with the size of the process which started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: Sequence[str]) -> None:
    """Run what the argument describes, and say the outcome as one line of JSON on standard output."""
    hold_leash()
    sys.stdout.write(json.dumps(run(JoinSpec.from_json(arguments[0]))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
