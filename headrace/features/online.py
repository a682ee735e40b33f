"""The project's online store, as its settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace_features.online.config import OnlineConfig, open_store
from headrace_features.online.store import GuardedStore

from headrace.project import Project


def online_config(project: Project) -> OnlineConfig:
    """Return which store the project has."""
    online = project.settings.online
    if online.store == "valkey":
        url = online.url.get_secret_value() if online.url else None
        return OnlineConfig("valkey", url=url, namespace=project.settings.name)
    path = Path(online.path) if online.path else project.folders.online / "features.db"
    return OnlineConfig("sqlite", path=path)


@contextmanager
def open_online_store(project: Project) -> Iterator[GuardedStore]:
    """Open the online store for as long as the block lasts.

    Raises:
        OnlineStoreUnavailableError: It does not answer.
    """
    store = open_store(online_config(project))
    try:
        yield store
    finally:
        store.close()
