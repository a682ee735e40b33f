"""Time travel: which version of a table a query means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from headrace_lake.commit_log import logged_versions, version_before
from headrace_lake.delta_table import open_for_read
from headrace_lake.errors import QueryError
from headrace_lake.layout import Schema, table_folder
from headrace_lake.place import Place

_TOO_OLD = "its log does not reach back that far"
_EXAMPLE = "--as-of 2026-01-31T12:00:00Z, or --as-of events.call=12"


@dataclass(frozen=True, slots=True)
class AsOf:
    """Which versions are read.

    Attributes:
        instant: The newest version of each table that was there at this instant; None: the newest one.
        versions: `<schema>.<name>` → its version; stronger than the instant.
    """

    instant: datetime | None = None
    versions: Mapping[str, int] = field(default_factory=dict)


NEWEST = AsOf()
"""The newest version of each table."""

AsOfLike: TypeAlias = AsOf | datetime | str | Mapping[str, int] | Sequence[str]
"""What people and programs write: see `read_as_of`."""


def read_as_of(value: AsOfLike | None) -> AsOf:
    """Return what somebody wrote as an `AsOf`.

    Args:
        value: An instant (as text in ISO 8601; UTC when it has no zone), versions by table, or texts of both: an
            instant or `events.call=12`. None: the newest versions.

    Raises:
        QueryError: It is neither, or there are two instants.
    """
    if value is None or isinstance(value, AsOf):
        return value or NEWEST
    if isinstance(value, datetime):
        return AsOf(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, Mapping):
        return AsOf(versions=dict(value))
    instant: datetime | None = None
    versions: dict[str, int] = {}
    for text in [value] if isinstance(value, str) else value:
        table, equals, version = text.partition("=")
        if equals and version.strip().isdigit():
            versions[table.strip()] = int(version)
        elif equals or instant is not None:
            raise _unreadable(text)
        else:
            instant = _instant(text)
    return AsOf(instant, versions)


def version_at(lake: Place, schema: Schema, name: str, as_of: AsOf) -> DeltaTable | None:
    """Return a table at the version that is meant; None when there was none yet.

    Raises:
        QueryError: The version does not exist, or the log does not reach back that far.
    """
    folder = table_folder(lake, schema, name)
    handle = open_for_read(folder)
    if handle is None or as_of == NEWEST:
        return handle
    full_name = f"{schema}.{name}"
    version = as_of.versions.get(full_name)
    if version is not None:
        return _at_version(handle, full_name, version, f"version {version}")
    if as_of.instant is None:
        return handle
    asked = as_of.instant.isoformat()
    try:
        version = version_before(folder, as_of.instant)
        if version is None and logged_versions(folder)[:1] == [0]:
            return None
    except FileNotFoundError:  # the log was cleaned while it was read
        version = None
    if version is None:
        raise gone(full_name, asked, _TOO_OLD)
    return _at_version(handle, full_name, version, asked)


def gone(name: str, asked: str, why: str) -> QueryError:
    """Return the error of a version that cannot be read any more, or never was."""
    return QueryError(
        f"table {name} cannot be read as of {asked}: {why}",
        {"kept": "what the vacuum has not removed (upkeep.vacuum_age)"},
        f"headrace lake history {name}",
    )


def _at_version(handle: DeltaTable, name: str, version: int, asked: str) -> DeltaTable:
    newest = handle.version()
    if version > newest:
        raise gone(name, asked, f"its newest version is {newest}")
    try:
        handle.load_as_version(version)
    except DeltaError as error:
        raise gone(name, asked, _TOO_OLD) from error
    return handle


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _unreadable(text) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _unreadable(text: str) -> QueryError:
    return QueryError(
        f"{text!r} says no instant and no version of a table",
        {"expected": "one instant in ISO 8601, and TABLE=VERSION for each table that is to differ"},
        _EXAMPLE,
    )
