"""Online: the newest row of each entity key, in SQLite or Valkey, under a guard that never lets an older one in.

Owns the guarded stores, the writer that fills them from the feature topics, and the lookup that checks age. Knows
nothing of Feast: `headrace_features.feature_store` wraps these stores for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_features.online.config import OnlineConfig, open_store
    from headrace_features.online.errors import OnlineStoreError, OnlineStoreUnavailableError
    from headrace_features.online.lookup import OnlineValues, get_online
    from headrace_features.online.row import OnlineRow, Order, newest_per_key
    from headrace_features.online.sqlite_store import GuardedSqlite
    from headrace_features.online.store import GuardedStore
    from headrace_features.online.valkey_store import GuardedValkey
    from headrace_features.online.writer import OnlineWriter, WriterCounters

# The clients of Kafka and Valkey load when they are first asked for.
_HOMES = {
    "GuardedSqlite": "sqlite_store",
    "GuardedStore": "store",
    "GuardedValkey": "valkey_store",
    "OnlineConfig": "config",
    "OnlineRow": "row",
    "OnlineStoreError": "errors",
    "OnlineStoreUnavailableError": "errors",
    "OnlineValues": "lookup",
    "OnlineWriter": "writer",
    "Order": "row",
    "WriterCounters": "writer",
    "get_online": "lookup",
    "newest_per_key": "row",
    "open_store": "config",
}

__all__ = [
    "GuardedSqlite",
    "GuardedStore",
    "GuardedValkey",
    "OnlineConfig",
    "OnlineRow",
    "OnlineStoreError",
    "OnlineStoreUnavailableError",
    "OnlineValues",
    "OnlineWriter",
    "Order",
    "WriterCounters",
    "get_online",
    "newest_per_key",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
