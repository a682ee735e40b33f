"""The Java reader of events, asked from Python about many records at a time."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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
    *lines, seconds = run_java("ReadMany", str(_written(records, folder / "records"))).splitlines()
    answers = []
    for line in lines:
        reason, text = json.loads(line)
        answers.append(Answer(reason, text if reason else json.dumps(text, sort_keys=True)))
    return answers, float(seconds)


class Letters(NamedTuple):
    """What the job's deserializer makes of records that it refuses.

    Attributes:
        largest_value_bytes: Its limit of a value.
        largest_key_bytes: Its limit of a key.
        letters: The length of each letter's own key, -1 where it has none, and the letter.
    """

    largest_value_bytes: int
    largest_key_bytes: int
    letters: list[tuple[int, dict[str, Any]]]


def letters_in_java(contract: Contract, records: Iterable[StoredRecord], folder: Path) -> Letters:
    """Return the dead letters of records that stand from offset 0 on in partition 3 of the topic `t`."""
    given = _written(((contract, record) for record in records), folder / "refused")
    limits, *lines = run_java("DeadLetters", str(given)).splitlines()
    value_bytes, key_bytes = map(int, limits.split())
    pairs = (line.split(" ", 1) for line in lines)
    return Letters(value_bytes, key_bytes, [(int(length), json.loads(letter)) for length, letter in pairs])


def _written(records: Iterable[tuple[Contract, StoredRecord]], given: Path) -> Path:
    last: Contract | None = None
    with given.open("wb") as out:
        for contract, record in records:
            _put(out, None if contract is last else json.dumps(parser_spec(contract)).encode())
            last = contract
            headers = dict(record.headers)
            for part in (record.value, record.key, headers.get("event_id"), headers.get("contract")):
                _put(out, part)
            out.write(record.timestamp.to_bytes(8, "big", signed=True))
    return given


def _put(out: BinaryIO, part: bytes | None) -> None:
    size = -1 if part is None else len(part)
    out.write(size.to_bytes(4, "big", signed=True) + (part or b""))
