"""The online store of a team: Valkey, or Redis, which speaks the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from headrace_features.online.errors import OnlineStoreError, OnlineStoreUnavailableError
from headrace_features.online.row import OnlineRow, Order, newest_per_key

_ROWS_A_SCRIPT = 1_000
"""A script blocks the server: about two milliseconds for this many."""

_KEYS_A_READ = 1_000

_ORDER_BYTES = len(Order(0, 0, 0, 0).text())

# A value starts with its order as text of fixed width. Lua's numbers are exact up to 2^53 only; text compares exactly.
_GUARDED_SET = """
local width = tonumber(ARGV[1])
local restores = ARGV[2] == '1'
local stored = 0
for i, key in ipairs(KEYS) do
  local value = ARGV[i + 2]
  local held = redis.call('GETRANGE', key, 0, width - 1)
  local given = string.sub(value, 1, width)
  if held < given or (restores and held == given and redis.call('GET', key) ~= value) then
    redis.call('SET', key, value)
    stored = stored + 1
  end
end
return stored
"""


class GuardedValkey:
    """Newest rows in Valkey, one string a key: `<namespace>:<view>:<entity key>`.

    The guard is one Lua script for each thousand rows, so writers of several machines cannot overtake each other.

    Args:
        url: `redis://…` or `rediss://…` with host, port and database.
        namespace: Stands before all keys; two projects on one server have two.
        timeout_seconds: Longest wait for an answer.

    Raises:
        OnlineStoreError: The URL is not one of a Valkey server.
    """

    def __init__(self, url: str, namespace: str = "headrace", timeout_seconds: float = 5.0) -> None:
        from valkey import Valkey

        self._namespace = namespace
        self._place = _without_password(url)
        try:
            self._client: Any = Valkey.from_url(
                url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
            )
        except ValueError as error:
            raise OnlineStoreError(
                f"{self._place!r} is not the URL of a Valkey server",
                {"expected": "redis://HOST:PORT/DATABASE, with TLS rediss://…"},
                "HEADRACE_ONLINE__URL=redis://127.0.0.1:6379/0",
            ) from error
        self._guarded_set = self._client.register_script(_GUARDED_SET)

    def write(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row that is newer than its key's and return how many were stored; atomic for each thousand."""
        return self._set(view, rows, restores=False)

    def restore(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row that is newer than its key's, or of the same order and not the same; as atomic as `write`."""
        return self._set(view, rows, restores=True)

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        """Return the row of each key, None where there is none."""
        found: list[OnlineRow | None] = []
        for start in range(0, len(keys), _KEYS_A_READ):
            part = keys[start : start + _KEYS_A_READ]
            with self._errors():
                answers = self._client.mget([self._key(view, key) for key in part])
            found += [None if value is None else _decoded(key, value) for key, value in zip(part, answers, strict=True)]
        return found

    def keys(self, view: str) -> Iterator[list[str]]:
        """Yield the keys of a view in parts, by SCAN: it goes through all keys of the server's database."""
        start = len(self._key(view, "").encode())
        for page in self._pages(view):
            yield [key[start:].decode() for key in page]

    def forget(self, view: str, keys: Sequence[str]) -> int:
        """Remove the rows of keys and return how many there were."""
        with self._errors():
            return int(self._client.unlink(*(self._key(view, key) for key in keys))) if keys else 0

    def drop(self, view: str) -> None:
        """Remove all rows of a view; rows that are written meanwhile may stay."""
        for page in self._pages(view):
            with self._errors():
                self._client.unlink(*page)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _set(self, view: str, rows: Sequence[OnlineRow], *, restores: bool) -> int:
        newest = newest_per_key(rows)
        stored = 0
        for start in range(0, len(newest), _ROWS_A_SCRIPT):
            part = newest[start : start + _ROWS_A_SCRIPT]
            keys = [self._key(view, row.key) for row in part]
            with self._errors():
                stored += int(self._guarded_set(keys=keys, args=[_ORDER_BYTES, int(restores), *map(_encoded, part)]))
        return stored

    def _pages(self, view: str) -> Iterator[list[bytes]]:
        pattern = _escaped(self._key(view, "")) + "*"
        cursor = 0
        while True:
            with self._errors():
                cursor, page = self._client.scan(cursor, match=pattern, count=_KEYS_A_READ)
            if page:
                yield page
            if cursor == 0:
                return

    def _key(self, view: str, key: str) -> str:
        return f"{self._namespace}:{view}:{key}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from valkey.exceptions import AuthenticationError, ConnectionError, ResponseError, TimeoutError, ValkeyError

        try:
            yield
        except AuthenticationError as error:
            raise OnlineStoreError(
                f"the online store {self._place} refuses the login: {error}",
                {"expected": "user and password in the URL"},
                "HEADRACE_ONLINE__URL=redis://USER:PASSWORD@HOST:PORT/0",
            ) from error
        except (ConnectionError, TimeoutError, OSError) as error:
            raise self._unavailable(error) from error
        except ResponseError as error:
            # Out of memory, loading, read-only replica during a failover: all pass.
            raise self._unavailable(error) from error
        except ValkeyError as error:
            raise OnlineStoreError(
                f"the online store {self._place} cannot be used: {error}",
                {"expected": "Valkey 7 or newer"},
                "headrace doctor",
            ) from error

    def _unavailable(self, error: Exception) -> OnlineStoreUnavailableError:
        return OnlineStoreUnavailableError(
            f"the online store {self._place} does not answer: {error}",
            {"expected": "a Valkey server that takes writes"},
            "headrace status, or correct HEADRACE_ONLINE__URL",
        )


def _encoded(row: OnlineRow) -> bytes:
    return f"{row.order.text()},{row.event_time_ms},{row.declaration},".encode() + row.values


def _decoded(key: str, value: bytes) -> OnlineRow:
    event_time_ms, declaration, values = value[_ORDER_BYTES + 1 :].split(b",", 2)
    return OnlineRow(key, Order.parse(value[:_ORDER_BYTES].decode()), int(event_time_ms), declaration.decode(), values)


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in "*?[]^\\" else letter for letter in text)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2]).geturl()
