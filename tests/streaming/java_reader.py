"""The Java reader of events, asked from Python about many records of one contract at a time."""

import json
from collections.abc import Sequence
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


def read_in_java(contract: Contract, records: Sequence[StoredRecord], folder: Path) -> tuple[list[Answer], float]:
    """Return what the Java reader says of each record, and how many seconds it read."""
    given = folder / "records"
    with given.open("wb") as out:
        _put(out, json.dumps(parser_spec(contract)).encode())
        for record in records:
            headers = dict(record.headers)
            for part in (record.value, record.key, headers.get("event_id"), headers.get("contract")):
                _put(out, part)
            out.write(record.timestamp.to_bytes(8, "big", signed=True))
    *lines, last = run_java("ReadMany", str(given)).splitlines()
    answers = []
    for line in lines:
        reason, text = json.loads(line)
        answers.append(Answer(reason, text if reason else json.dumps(text, sort_keys=True)))
    return answers, float(last)


def _put(out: BinaryIO, part: bytes | None) -> None:
    size = -1 if part is None else len(part)
    out.write(size.to_bytes(4, "big", signed=True) + (part or b""))
