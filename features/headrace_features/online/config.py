"""Which online store a project has, and how to open it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headrace_features.online.errors import OnlineStoreError
from headrace_features.online.store import GuardedStore


@dataclass(frozen=True)
class OnlineConfig:
    """Where the newest values are.

    Attributes:
        store: Kind of store.
        path: File of the SQLite store.
        url: URL of the Valkey store; may hold a password, so it is never shown.
        namespace: Stands before all keys of the Valkey store: the project's name.

    Raises:
        OnlineStoreError: The place that this kind of store needs is not given.
    """

    store: Literal["sqlite", "valkey"]
    path: Path | None = None
    url: str | None = field(default=None, repr=False)
    namespace: str = "headrace"

    def __post_init__(self) -> None:
        needed = "path" if self.store == "sqlite" else "url"
        if getattr(self, needed) is None:
            raise OnlineStoreError(
                f"online.store is {self.store!r}, and online.{needed} is not given",
                {"expected": "path for sqlite, url for valkey"},
                f"HEADRACE_ONLINE__{needed.upper()}=…",
            )


def open_store(config: OnlineConfig) -> GuardedStore:
    """Return the store, open.

    Raises:
        OnlineStoreError: What stands there is no online store.
        OnlineStoreUnavailableError: It cannot be opened now.
    """
    if config.store == "sqlite" and config.path is not None:
        from headrace_features.online.sqlite_store import GuardedSqlite

        return GuardedSqlite(config.path)
    from headrace_features.online.valkey_store import GuardedValkey

    return GuardedValkey(config.url or "", config.namespace)
