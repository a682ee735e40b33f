"""The Java reader of events, asked from Python about many records at a time."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from headrace_ingestion.codec import parser_spec
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import StoredRecord
from java_programs import run_java

CHUNK = 100_000
"""Records of one run of the Java reader."""


class Answer(NamedTuple):
    """What a reader says of a record: reason and detail, or no reason and the fields as JSON."""

    reason: str | None
    text: str


def read_in_java(records: Iterable[tuple[Contract, StoredRecord]], folder: Path) -> tuple[list[Answer], float]:
    """Return what the Java reader says of each record by its contract, and how many seconds it read."""
    given = folder / "records"
    last: Contract | None = None
    with given.open("wb") as out:
        for contract, record in records:
            _put(out, None if contract is last else json.dumps(parser_spec(contract)).encode())
            last = contract
            headers = dict(record.headers)
            for part in (record.value, record.key, headers.get("event_id"), headers.get("contract")):
                _put(out, part)
            out.write(record.timestamp.to_bytes(8, "big", signed=True))
    *lines, seconds = run_java("ReadMany", str(given)).splitlines()
    answers = []
    for line in lines:
        reason, text = json.loads(line)
        answers.append(Answer(reason, text if reason else json.dumps(text, sort_keys=True)))
    return answers, float(seconds)


def _put(out: BinaryIO, part: bytes | None) -> None:
    size = -1 if part is None else len(part)
    out.write(size.to_bytes(4, "big", signed=True) + (part or b""))
