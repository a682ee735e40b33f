"""`GET /features/{view}/{key}`."""

import threading
from contextlib import ExitStack
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response
from headrace_features.online.lookup import OnlineValues, get_online
from headrace_features.online.store import GuardedStore
from starlette.concurrency import run_in_threadpool

from headrace.features.online import open_online_store
from headrace.http.app import Served, answer
from headrace.http.errors import NotFoundError
from headrace.pii import KeysOfRecords
from headrace.project import Project


class OpenedStore:
    """The online store of a project, opened with the first request that reads it; threads share it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._store: GuardedStore | None = None

    def get(self) -> GuardedStore:
        """Return the open store.

        Raises:
            OnlineStoreUnavailableError: It does not answer.
        """
        with self._lock:
            if self._store is None:
                self._store = self._opened.enter_context(open_online_store(self._project))
            return self._store

    def close(self) -> None:
        """Let go of it."""
        self._opened.close()


def add_features_route(app: FastAPI, served: Served) -> None:
    """Add the route."""
    opened, keys = OpenedStore(served.project), KeysOfRecords(served.project)
    served.at_end.append(opened.close)

    @app.get("/features/{view}/{key:path}", summary="Read the newest features of a key")
    async def get_features(view: str, key: str, request: Request, allow_expired: bool = False) -> Response:
        """Return the newest values of an entity with their age; ones older than the view's ttl are withheld."""
        granted = served.access.allowed(request, "features:read", view)
        declared = served.project.features.view(view)

        def look() -> OnlineValues | None:
            stored = keys.of(declared.contract, declared.key, key)
            return get_online(opened.get(), declared, stored, datetime.now(UTC), allow_expired=allow_expired)

        found = await run_in_threadpool(look)
        if found is None:
            raise NotFoundError(
                f"the online store has no values of {key[:200]!r} in the view {view!r}",
                {"store": served.project.settings.online.store},
                f"another {declared.key}",
            )
        return answer(_as_dict(found, granted.masked))


def _as_dict(found: OnlineValues, masked: frozenset[str]) -> dict[str, object]:
    hidden = sorted(name for name in found.values if name.lower() in masked)
    values = {name: None if name in hidden else value for name, value in found.values.items()}
    return {**found.as_data(), "values": values, "masked": hidden}
