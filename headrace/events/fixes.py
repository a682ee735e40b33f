"""What mends a dead letter: nothing, SQL expressions, or a function of the project."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headrace_ingestion.errors import HeadraceError

from headrace.events.dead_letters import RawLetter
from headrace.events.locked_sql import ExpressionError, FieldExpressions

R = TypeVar("R")


class FixError(HeadraceError):
    """A fix, or another function of the project, cannot be used at all."""


class NotMended(Exception):  # noqa: N818  (no error: it becomes the answer of one record)
    """A fix could not mend one record; the text says why."""


class Fix(Protocol):
    """Makes the fields of an event of a dead letter."""

    @property
    def text(self) -> str:
        """What the audit shows of it."""

    @property
    def sha256(self) -> str:
        """Hash of everything that it does, in hexadecimal."""

    def __call__(self, letter: RawLetter) -> Mapping[str, Any]:
        """Return the fields.

        Raises:
            NotMended: It cannot.
        """


@dataclass(frozen=True)
class AsItIs:
    """Sends what the record holds: for a contract that was corrected, a wrong key, a clock that was ahead."""

    text: str = "none"

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return _sha256(self.text)

    def __call__(self, letter: RawLetter) -> Mapping[str, Any]:
        """Return the fields of the record."""
        if letter.fields is None:
            raise NotMended("the value is not a JSON object")
        return {name: value for name, value in letter.fields.items() if value is not None}


class BySql:
    """SQL expressions over the raw fields; see `FieldExpressions`.

    Beside the fields of the record and of the contract they may read `_value` (the raw value as text), `_key`,
    `_reason`, `_detail` and `_record_timestamp`.

    Args:
        expressions: `EXPRESSION AS field, …`.
        fields: Names of the contract's fields: null in a record that does not have them.

    Raises:
        ExpressionError: It is no list of SQL expressions.
    """

    def __init__(self, expressions: str, fields: Iterable[str]) -> None:
        self._expressions = FieldExpressions(expressions)
        self._nothing: dict[str, Any] = dict.fromkeys(fields)
        self.text = f"sql: {expressions}"
        self.sha256 = _sha256(self.text)

    def __call__(self, letter: RawLetter) -> Mapping[str, Any]:
        """Return the fields as the expressions say."""
        beside = {
            "_value": letter.value.decode(errors="replace"),
            "_key": letter.key,
            "_reason": letter.reason,
            "_detail": letter.detail,
            "_record_timestamp": letter.record_timestamp,
        }
        try:
            return self._expressions.applied({**self._nothing, **(letter.fields or {})}, beside)
        except ExpressionError as error:
            raise NotMended(str(error).splitlines()[0]) from error


class ByPython:
    """A function of the project: takes the raw fields (None when the value is no JSON object) and the letter.

    Args:
        name: `module:function`; the module is found in the project folder first.
        folder: The project folder.

    Raises:
        FixError: There is no such function.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._function = project_function(name, folder, "fields, letter")
        self.text = f"python: {name}"
        source = inspect.getsource(self._function)
        self.sha256 = _sha256(f"{self.text}\n{source}")

    def __call__(self, letter: RawLetter) -> Mapping[str, Any]:
        """Return what the function returns; None leaves the record as a dead letter."""
        fields = None if letter.fields is None else dict(letter.fields)
        try:
            found = self._function(fields, letter)
        except Exception as error:
            raise NotMended(f"{self.text} raised {type(error).__name__}: {error}") from error
        if not isinstance(found, Mapping):
            raise NotMended(f"{self.text} returned {type(found).__name__}, expected the fields of an event")
        return found


def project_function(name: str, folder: Path, arguments: str) -> Callable[..., Any]:
    """Return a function of a project.

    Args:
        name: `module:function`; the module is found in the project folder first.
        folder: The project folder.
        arguments: What it is called with, for the message.

    Raises:
        FixError: There is no such function, or its module cannot be imported.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise FixError(f"{name!r} does not name a function", {"expected": "module:function"}, "fixes:mend")
    sys.path.insert(0, str(folder))
    try:
        found: Any = getattr(importlib.import_module(module), function, None)
    except (Exception, SystemExit) as error:
        # Whatever the module does when it is imported is of the project.
        why = f"{type(error).__name__}: {error}"
        raise FixError(
            f"the module {module!r} cannot be imported: {why}", {"where": str(folder)}, f"{folder}/{module}.py"
        ) from error
    finally:
        sys.path.remove(str(folder))
    if not inspect.isfunction(found):
        raise FixError(
            f"the module {module!r} has no function {function!r}",
            {"where": str(folder)},
            f"def {function}({arguments})",
        )
    return found


def transformed(transform: Callable[[dict[str, Any]], R], record: dict[str, Any]) -> R:
    """Return what a function of the project makes of a record on its way in or out.

    Raises:
        NotMended: It failed.
    """
    try:
        return transform(record)
    except (Exception, SystemExit) as error:
        # An exit would end a server, or a thread that nobody sees, for one record.
        raise NotMended(f"the transform raised {type(error).__name__}: {error}") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
