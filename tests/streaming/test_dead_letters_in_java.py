"""The job's dead letters are those that Python makes of the same records, and never more than their topic takes."""

import json
from pathlib import Path

from headrace_ingestion.codec import compile_parser
from headrace_ingestion.headers import EVENT_ID, read_event_id
from headrace_ingestion.records import Refused, StoredRecord
from headrace_lake import letters
from java_reader import letters_in_java
from malformed import CONTRACT

TOPIC_TAKES_BYTES = 1_000_000
"""A little less than what Kafka takes by default, headers and all."""

VALUE, KEY = letters.LARGEST_VALUE_BYTES, letters.LARGEST_KEY_BYTES
GIVEN: list[tuple[bytes | None, bytes | None, bytes | None, int]] = [
    (b"{", b"s1", b"id-1", 5),
    (b"\xff" * VALUE, b"s1", None, 5),
    (b"\xff" * (VALUE + 1), b"s1", b"id-2", 5),
    (b"\xff" * VALUE, b"\x01" * KEY, None, 5),
    (b"{", b"k" * (KEY + 1), None, 5),
    (b"\xff" * (VALUE + 1), b"k" * (KEY + 1), None, 5),
    (b"{", b"a\xffb\xe2\x82-\xc3\xa9\xf0\x9f\x98", None, 5),
    (b"{", b"\xff" * KEY, None, 5),
    (None, None, None, -1),
    (b"{", b"s1", b"i" * 1_000_000, 5),
]
"""Value, key, event id and timestamp of records that are no JSON."""


def records() -> list[StoredRecord]:
    """The records, from offset 0."""
    return [
        StoredRecord("t", 3, offset, timestamp, key, value, () if event_id is None else ((EVENT_ID, event_id),))
        for offset, (value, key, event_id, timestamp) in enumerate(GIVEN)
    ]


def test_java_and_python_make_the_same_letter_of_a_record(tmp_path: Path) -> None:
    parse = compile_parser(CONTRACT)
    made = letters_in_java(CONTRACT, records(), tmp_path)
    assert (made.largest_value_bytes, made.largest_key_bytes) == (VALUE, KEY)
    assert len(made.letters) == len(GIVEN)
    for record, (key_bytes, letter) in zip(records(), made.letters, strict=True):
        refused = parse(record)
        assert isinstance(refused, Refused)
        event_id = read_event_id(record.headers[0][1] or b"") if record.headers else None
        expected = letters.dead_letter(
            record, refused.reason, refused.detail, event=CONTRACT.name, event_id=event_id, key=record.key,
            now_ms=letter["recorded_at_ms"],
        )  # fmt: skip
        assert letter == expected
        assert key_bytes == (-1 if expected["key"] is None else len(record.key or b""))
        assert len(json.dumps(letter, ensure_ascii=False).encode()) + max(key_bytes, 0) < TOPIC_TAKES_BYTES
    details = [str(letter["detail"]).partition(" (")[2] for _, letter in made.letters]
    assert [detail for detail in details if detail] == [
        "too large to be kept here: the value)",
        "too large to be kept here: the key)",
        "too large to be kept here: the key and value)",
    ]
