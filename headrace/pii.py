"""Personal data in a project: the secret that it is hashed with, and what stands for a clear value."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import HeadraceError, SettingsError, closest
from headrace_ingestion.pii import SECRET_VARIABLE, PiiSecret, hashed_fields, is_hash, no_secret

from headrace.project import Project

_MARKED = "the secret of this project"
"""What is hashed to know the secret again."""


class NotHashedError(HeadraceError):
    """The hash is asked for of a field that is not hashed."""


def project_secret(project: Project, *, keeps_hashes: bool = False) -> PiiSecret | None:
    """Return the secret of a project: that of the settings, else of a file in its data folder.

    With the embedded broker the file is made when it is missing, readable by nobody else: all producers of such a
    project are on this machine. With other brokers, producers elsewhere would hash with another one.

    Args:
        project: The project.
        keeps_hashes: See `PiiSecret`.

    Returns:
        The secret; None: no event has a hashed field.

    Raises:
        SettingsError: A field is hashed, and there is no secret, or it is too short.
    """
    hashed = [path for one in project.contracts.values() for path in hashed_fields(one.fields, f"{one.name}.")]
    return _secret(project, hashed, keeps_hashes=keeps_hashes) if hashed else None


def _secret(project: Project, hashed: Sequence[str], *, keeps_hashes: bool = False) -> PiiSecret:
    given, file = project.settings.pii.secret, project.folders.pii_secret
    if given is not None:
        secret = PiiSecret(given, keeps_hashes=keeps_hashes)
    else:
        if not file.exists():
            if project.settings.kafka.bootstrap_servers is not None:
                raise no_secret({"fields": ", ".join(hashed), "file": f"{file} does not exist"})
            if project.folders.pii_mark.exists():
                raise _another(project, "is gone", f"{file} does not exist, {SECRET_VARIABLE} is not set")
            _make(file, secrets.token_hex(32))
        secret = PiiSecret(_text_of(file), keeps_hashes=keeps_hashes)
    _check_is_the_same(project, secret, str(file) if given is None else SECRET_VARIABLE)
    return secret


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise SettingsError(
            f"the secret for personal data cannot be read: {why}",
            {"file": str(file), "or": f"the variable {SECRET_VARIABLE}"},
            f"ls -l {file}",
        ) from error


def _check_is_the_same(project: Project, secret: PiiSecret, where: str) -> None:
    """Refuse another secret than that of before: everybody would be another subject, and nobody would be told."""
    file, mark = project.folders.pii_mark, secret.hash(_MARKED)
    # A data folder that cannot be written, as of a reader, keeps no mark.
    with suppress(OSError):
        if not file.exists():
            _make(file, mark)
        if file.read_text("ascii", "replace").strip() != mark:
            raise _another(project, "is another one than before", where)


def _another(project: Project, what: str, where: str) -> SettingsError:
    return SettingsError(
        f"the secret for personal data {what}: everybody would be another subject",
        {"secret": where, "known by": str(project.folders.pii_mark)},
        f"the secret of before, or rm {project.folders.pii_mark} to begin anew with another",
    )


def hashed(project: Project, event: str, field: str, value: str) -> str:
    """Return what stands for a clear value in the records of an event.

    Args:
        project: The project.
        event: Name of the event.
        field: One of its fields; of a nested one the path, such as `lines[].article`.
        value: The clear value.

    Raises:
        UnknownEventError: There is no such event.
        NotHashedError: The field is not hashed.
        SettingsError: There is no secret.
    """
    contract = project.events.contract(event)
    paths = hashed_fields(contract.fields)
    if field not in paths:
        raise NotHashedError(
            f"the field {field!r} of the event {event!r} is not hashed",
            {"hashed": ", ".join(paths) or "none", "contract": contract.place_of(field)},
            closest(field, paths) or f"headrace lake describe events.{event}",
        )
    return _secret(project, paths).hash(value)


class KeysOfRecords:
    """Keys as they stand in records, topics and tables; the secret is read once, with the first key that needs it."""

    def __init__(self, project: Project) -> None:
        """Read nothing yet."""
        self._project = project
        self._secret: PiiSecret | None = None

    def of(self, contract: Contract, field: str, value: str) -> str:
        """Return what stands for a value of a field: its hash, where the field is hashed.

        A text of the form of a hash, 32 hexadecimal digits, is taken for one.

        Raises:
            SettingsError: The field is hashed, and there is no secret.
        """
        if contract.fields[field].pii != "hash" or is_hash(value):
            return value
        if self._secret is None:
            self._secret = _secret(self._project, [f"{contract.name}.{field}"])
        return self._secret.hash(value)


def stored_key(project: Project, contract: Contract, field: str, value: str) -> str:
    """Return what `KeysOfRecords` does, for a single value."""
    return KeysOfRecords(project).of(contract, field, value)


def _make(file: Path, text: str) -> None:
    """Make the file, whole or not at all; one that another process has just made stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Readable by its owner only, and of a name that no other thread or process has.
    descriptor, aside = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
    try:
        os.write(descriptor, f"{text}\n".encode())
        os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(aside, file)
    finally:
        os.close(descriptor)
        Path(aside).unlink()
