"""Feast with its own online stores, as its documentation sets them up: what ours are measured beside."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from headrace_features.view import View

from headrace.bench.errors import BenchError
from headrace.stack.ports import LOOPBACK

Store = Literal["sqlite", "valkey"]
STORES: tuple[Store, ...] = get_args(Store)
PUSH_SOURCE = "pushed"


def stock_feast(folder: Path, store: Store, view: View, port: int | None) -> Any:
    """Return a Feast repository of one view with a push source and Feast's SQLite or Redis store.

    Args:
        folder: For its registry and its SQLite file.
        store: Which store.
        view: A view of double columns.
        port: Port of the Valkey server, for the Redis store.

    Raises:
        BenchError: Feast's Redis store is not installed.
    """
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
    from feast.types import Float64

    folder.mkdir(parents=True, exist_ok=True)
    online: dict[str, Any] = {"type": "sqlite", "path": str(folder / "online.db")}
    if store == "valkey":
        _check_redis_store()
        online = {"type": "redis", "connection_string": f"{LOOPBACK}:{port}"}
    feast = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store=online,
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    history = FileSource(name="history", path=str(folder / "history.parquet"), timestamp_field="clock")
    entity = Entity(name="entity", join_keys=[view.key], value_type=ValueType.STRING)
    pushed = FeatureView(
        name=view.name,
        entities=[entity],
        ttl=timedelta(milliseconds=view.ttl_ms),
        schema=[Field(name=column.name, dtype=Float64) for column in view.columns],
        source=PushSource(name=PUSH_SOURCE, batch_source=history),
    )
    feast.apply([entity, pushed])
    return feast


def _check_redis_store() -> None:
    try:
        import feast.infra.online_stores.redis  # noqa: F401
    except ImportError as error:
        raise BenchError(
            "Feast's Redis store is not installed",
            {"expected": "the dependency group bench", "missing": str(error)},
            "uv sync --group bench",
        ) from error
