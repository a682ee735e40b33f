"""Fixtures of the feature store: views, and empty stores of every kind."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from headrace_features.online import GuardedSqlite, GuardedStore, GuardedValkey
from headrace_features.view import View
from store_cases import CALL, SUBSCRIBER, NewStore, load_project


@pytest.fixture
def views(tmp_path: Path) -> dict[str, View]:
    """One view over calls: a string, a long, a double and a bool."""
    return load_project(tmp_path / "project", {"call": CALL}, {"subscriber": SUBSCRIBER})


@pytest.fixture
def subscriber(views: dict[str, View]) -> View:
    """The one view."""
    return views["subscriber"]


@pytest.fixture(params=["sqlite", "valkey"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewStore]:
    """Opens an empty store, and the same one each further time; once for every kind of store."""
    namespace = uuid.uuid4().hex
    opened: list[GuardedStore] = []

    def open_again() -> GuardedStore:
        store: GuardedStore
        if request.param == "sqlite":
            store = GuardedSqlite(tmp_path / "online" / "online.db")
        else:
            store = GuardedValkey(request.getfixturevalue("valkey_url"), namespace)
        opened.append(store)
        return store

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: NewStore) -> GuardedStore:
    """One empty store; once for every kind of store."""
    return new_store()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[GuardedSqlite]:
    """An empty store in a file."""
    store = GuardedSqlite(tmp_path / "online.db")
    yield store
    store.close()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Folder of a lake that nobody wrote yet."""
    return tmp_path / "lake"
