"""Refused rows of an import as dead letters: each once, by the digest of its file and its number there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from headrace_ingestion.clock import SystemClock
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import Reason
from headrace_ingestion.fields import Field
from headrace_ingestion.headers import EVENT_ID
from headrace_ingestion.records import StoredRecord
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import RefusedRecord

_PARTITION = 0


class ImportLetters:
    """Gathers the refused rows of a file, and stores them before the batch that they are of is committed.

    Their topic is `import/<digest>`, their offset the number of the row. Of an event with personal data none is kept:
    what a row holds is clear there, and the lake never is.

    Args:
        lake: Folder of the lake.
        contract: The event.
        digest: Of the file and its reading.
    """

    def __init__(self, lake: Path, contract: Contract, digest: str) -> None:
        self._lake, self._event = lake, contract.name
        self._topic = f"import/{digest}"
        self._is_kept = not _has_personal_data(contract.fields)
        self._waiting: list[RefusedRecord] = []

    def add(self, number: int, reason: Reason, detail: str, fields: Mapping[str, Any] | None, event_id: str) -> None:
        """Note a row.

        Args:
            number: Its number in the file, from 0.
            reason: Why it is refused.
            detail: Field, value and what was expected.
            fields: What it holds, by the names of the event; None when it could not be read.
            event_id: The id that it has, or would have had.
        """
        if self._is_kept:
            value = b"" if fields is None else _as_json(fields)
            header = [(EVENT_ID, event_id.encode())]
            record = StoredRecord(self._topic, _PARTITION, number, -1, None, value, header)
            self._waiting.append(RefusedRecord(record, reason, detail, self._event))

    def store(self, next_row: int) -> None:
        """Store what was noted of the rows before this one; what is stored already is left out.

        Raises:
            LakeWriteError: They could not be stored.
        """
        if self._waiting:
            now_ms = SystemClock().now_ms()
            store_dead_letters(self._lake, self._waiting, self._topic, {_PARTITION: next_row}, now_ms)
            self._waiting = []


def _as_json(fields: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_UTC_Z)
    except TypeError:
        # A number beyond 64 bits, or half a character: what is refused may be anything, and is no reason to end.
        return json.dumps(fields, default=str).encode()


def _has_personal_data(fields: Mapping[str, Field]) -> bool:
    return any(field.pii is not None or _has_personal_data(field.inner) for field in fields.values())
