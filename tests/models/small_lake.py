"""A small lake in DuckDB's memory: the views that models read, with rows that a test makes up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
from headrace_models.view import FeatureView

START = datetime(2026, 3, 2, tzinfo=UTC)
VIEW = FeatureView(
    name="subscriber",
    key="subscriber_id",
    columns=(
        ("amount", "double"),
        ("count_1h", "long"),
        ("abroad", "bool"),
        ("device_lag_1", "string"),
        ("noise", "double"),
    ),
    longest_window=timedelta(hours=24),
    digest="abcdef012345",
)
FEATURES = pa.schema(
    [
        ("event_id", pa.string()),
        ("subscriber_id", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("clock", pa.timestamp("us", "UTC")),
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
        ("declaration", pa.string()),
        ("emitted_at", pa.timestamp("us", "UTC")),
        ("amount", pa.float64()),
        ("count_1h", pa.int64()),
        ("abroad", pa.bool_()),
        ("device_lag_1", pa.string()),
        ("noise", pa.float64()),
    ]
)
LABELS = pa.schema(
    [
        ("event_id", pa.string()),
        ("call_id", pa.string()),
        ("is_fraud", pa.bool_()),
        ("labelled_at", pa.timestamp("us", "UTC")),
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("_recorded_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass
class SmallLake:
    """Rows of `features.subscriber` and `events.fraud_label`, and SQL over them."""

    features: list[dict[str, object]] = field(default_factory=list)
    labels: list[dict[str, object]] = field(default_factory=list)

    def add_row(self, at: datetime, **values: object) -> str:
        """Add a feature row and return its event id."""
        event_id = str(values.pop("event_id", f"e-{len(self.features)}"))
        row: dict[str, object] = {
            "event_id": event_id,
            "subscriber_id": "s-1",
            "event_time": at,
            "clock": at,
            "source_partition": 0,
            "source_offset": len(self.features),
            "declaration": VIEW.digest,
            "emitted_at": at + timedelta(milliseconds=20),
            "amount": 1.0,
            "count_1h": 1,
            "abroad": False,
            "device_lag_1": None,
            "noise": 0.0,
        }
        self.features.append({**row, **values})
        return event_id

    def add_label(self, event_id: str, is_fraud: bool, at: datetime, recorded_at: datetime | None = None) -> None:
        """Add a label that becomes known at `at`."""
        self.labels.append(
            {
                "event_id": f"l-{len(self.labels)}",
                "call_id": event_id,
                "is_fraud": is_fraud,
                "labelled_at": at,
                "_partition": 0,
                "_offset": len(self.labels),
                "_recorded_at": recorded_at or at,
            }
        )

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """Run SQL over both tables."""
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'; create schema features; create schema events")
        for name, rows, schema in _tables(self.features, self.labels):
            connection.register("incoming", pa.Table.from_pylist(rows, schema=schema))
            connection.execute(f"create table {name} as from incoming")
        return connection.sql(query, params=dict(parameters)).to_arrow_table()


def _tables(
    features: Sequence[dict[str, object]], labels: Sequence[dict[str, object]]
) -> list[tuple[str, list[dict[str, object]], pa.Schema]]:
    return [
        ("features.subscriber", list(features), FEATURES),
        ("events.fraud_label", list(labels), LABELS),
    ]


def lake_with_fraud(rows: int = 3_000, days: int = 20, seed: int = 7) -> SmallLake:
    """Return a lake where amount and place together, but neither alone, give fraud away; verdicts take six hours."""
    rng = np.random.default_rng(seed)
    lake = SmallLake()
    for index in range(rows):
        at = START + timedelta(days=days) * (index / rows)
        fraud = bool(rng.random() < 0.06)
        abroad = fraud or bool(rng.random() < 0.2)
        high = fraud or bool(rng.random() < 0.2 and not abroad)
        amount = None if rng.random() < 0.02 else float(rng.normal(8 if high else 2, 1))
        event_id = lake.add_row(
            at,
            subscriber_id=f"s-{rng.integers(60)}",
            amount=amount,
            count_1h=int(rng.poisson(2)),
            abroad=abroad,
            noise=float(rng.normal()),
        )
        if fraud or rng.random() < 0.1:
            lake.add_label(event_id, fraud, at + timedelta(hours=6))
    return lake
