"""API keys: who may do what. The file holds their hashes alone; a key is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from headrace_ingestion.errors import closest

from headrace.http.errors import KeysError
from headrace.project import Project
from headrace.stack.cache import atomic_file

ACTIONS = ("events:write", "features:read", "sql:read")
"""What a scope allows; `events:write:call` allows it for one event, `features:read:subscriber` for one view."""

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: Name of the key; `local` where no key is needed.
        scopes: What it allows.
    """

    name: str
    scopes: frozenset[str]

    def may(self, action: str, resource: str | None = None) -> bool:
        """Return whether the action is allowed on the resource."""
        return action in self.scopes or (resource is not None and f"{action}:{resource}" in self.scopes)


LOCAL = Principal("local", frozenset(ACTIONS))
"""Who asks from this machine while there are no keys."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the file holds it.

    Attributes:
        name: Its name.
        sha256: Hash of the key, in hexadecimal. A key is 256 random bits: nobody guesses it, a slow hash is not needed.
        scopes: What it allows.
        created_at: When it was made, ISO 8601.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created_at: str


class Keys:
    """The keys of one file; it is read again when it changes, so a removed key stops working at once.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._stored: tuple[StoredKey, ...] = ()

    def stored(self) -> tuple[StoredKey, ...]:
        """Return the keys of the file, none when there is no file.

        Raises:
            KeysError: It cannot be read.
        """
        try:
            found = self.path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._stored = tuple(_stored_key(item) for item in json.loads(self.path.read_text())["keys"])
                self._seen = seen
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeysError(
                f"the API keys cannot be read: {error}",
                {"file": str(self.path), "expected": "what headrace serve keys add has written"},
                f"headrace serve keys list, or remove {self.path.name}",
            ) from error
        return self._stored

    def principal(self, key: str) -> Principal | None:
        """Return whose key it is, or None when it is nobody's; takes as long for a wrong key as for a right one.

        Raises:
            KeysError: The file cannot be read.
        """
        digest = _digest(key)
        found = None
        for one in self.stored():
            if hmac.compare_digest(one.sha256.encode(), digest.encode()):
                found = one
        return None if found is None else Principal(found.name, frozenset(found.scopes))

    def add(self, name: str, scopes: Sequence[str], now: datetime) -> str:
        """Make a key, store its hash and return the key, which nothing can show again.

        Args:
            name: Name of the new key.
            scopes: What it allows; see `check_scopes`.
            now: Timezone-aware.

        Raises:
            KeysError: The name is taken or none, or the file cannot be read or written.
        """
        stored = self.stored()
        if not _NAME.fullmatch(name):
            raise KeysError(f"{name!r} cannot name a key", {"expected": "a-z, then a-z 0-9 _ . -"}, "billing-service")
        if name in {one.name for one in stored}:
            raise KeysError(
                f"there is a key {name!r} already", {"file": str(self.path)}, f"headrace serve keys remove {name}"
            )
        key = f"hr_{secrets.token_urlsafe(_SECRET_BYTES)}"
        new = StoredKey(name, _digest(key), tuple(dict.fromkeys(scopes)), now.isoformat(timespec="seconds"))
        self._write((*stored, new))
        return key

    def remove(self, name: str) -> None:
        """Forget a key; it stops working at once.

        Raises:
            KeysError: There is none of that name, or the file cannot be read or written.
        """
        stored = self.stored()
        names = [one.name for one in stored]
        if name not in names:
            raise KeysError(
                f"there is no key {name!r}",
                {"keys": ", ".join(names) or "none", "file": str(self.path)},
                closest(name, names) or "headrace serve keys list",
            )
        self._write([one for one in stored if one.name != name])

    def _write(self, stored: Collection[StoredKey]) -> None:
        keys = [
            {"name": one.name, "sha256": one.sha256, "scopes": list(one.scopes), "created_at": one.created_at}
            for one in stored
        ]
        try:
            # The new file is its owner's alone, as temporary files are.
            with atomic_file(self.path) as part:
                part.write_text(json.dumps({"keys": keys}, indent=2) + "\n")
        except OSError as error:
            raise KeysError(
                f"the API keys cannot be written: {error.strerror}",
                {"file": str(self.path)},
                "headrace serve keys list --set http.keys=FILE",
            ) from error


def project_keys(project: Project) -> Keys:
    """Return the keys of a project, as its settings say where they are."""
    own = project.settings.http.keys
    return Keys(project.folder / own if own else project.folders.root / "http-keys.json")


def check_scopes(project: Project, scopes: Sequence[str]) -> None:
    """Do nothing when every scope is one of an action, alone or with a declared event or view.

    Raises:
        KeysError: One is not, or there is none.
    """
    named = {"events:write": list(project.contracts), "features:read": list(project.views)}
    known = [*ACTIONS, *(f"{action}:{name}" for action, names in named.items() for name in names)]
    for scope in scopes:
        if scope not in known:
            raise KeysError(
                f"{scope!r} is not a scope",
                {"scopes": ", ".join(known)},
                f"--scope {closest(scope, known) or known[0]}",
            )
    if not scopes:
        raise KeysError("a key needs a scope", {"scopes": ", ".join(known)}, f"--scope {known[0]}")


def _stored_key(item: dict[str, Any]) -> StoredKey:
    return StoredKey(
        str(item["name"]), str(item["sha256"]), tuple(str(scope) for scope in item["scopes"]), str(item["created_at"])
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
