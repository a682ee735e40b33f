"""Events by another key: each once, whatever happens to who writes them, and as they were."""

import base64
import json
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest
from headrace_ingestion import Producer
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.outgoing import copies
from headrace_streaming.rekey import RekeyError
from headrace_streaming.topics import LARGEST_RECORD_BYTES
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from rekeying import committed, rekeying

PARTITIONS = 3


@pytest.fixture
def pay(broker: Any) -> tuple[Contract, KafkaConnection]:
    """An event with topics of its own, by card and by terminal."""
    prefix = f"rekey{time.time_ns()}."
    contract = Contract.model_validate(
        {
            "name": "pay",
            "version": 1,
            "key": "card",
            "time": "at",
            "fields": {
                "card": {"type": "string"},
                "terminal": {"type": "long"},
                "at": {"type": "timestamp"},
                "amount": {"type": "double", "minimum": 0},
                "note": {"type": "string", "required": False},
            },
        }
    )
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)
    broker.create_topic(f"{prefix}events.pay", PARTITIONS)
    broker.create_topic(f"{prefix}events.pay.by.terminal", PARTITIONS)
    broker.create_topic(f"{prefix}dead_letters", PARTITIONS)
    return contract, connection


def by_terminal(contract: Contract, connection: KafkaConnection) -> AbstractContextManager[list[HeadraceError]]:
    """Write the events by terminal until the block ends."""
    turns = copies({"pay": contract}, [RekeyedContract(contract, "terminal")], prefix=connection.topic_prefix)
    return rekeying(connection, turns, "rekey-of-the-test")


def copied(
    connection: KafkaConnection, enough: Callable[[list[Any]], bool], name: str = "events.pay.by.terminal"
) -> list[Any]:
    """Return the records of a topic, once there are enough of them."""
    return committed(connection, f"{connection.topic_prefix}{name}", PARTITIONS, enough)


def send(contract: Contract, connection: KafkaConnection, first: int, count: int) -> None:
    with Producer([contract], connection) as producer:
        for number in range(first, first + count):
            fields = {
                "card": f"c{number % 17}",
                "terminal": number % 5,
                "at": f"2026-01-31T12:00:{number % 60:02}Z",
                "amount": 1.0,
            }
            producer.send("pay", fields, event_id=f"e{number}", timestamp_ms=1_769_860_800_000 + number)


def test_each_event_is_there_once_by_its_other_key_when_the_writer_is_replaced(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    with by_terminal(contract, connection) as failures:
        send(contract, connection, 0, 3_000)
        copied(connection, lambda found: len(found) > 0)
        # A second one at any moment: it ends what the first has open. That ends, or shuts the second out in its turn.
        with by_terminal(contract, connection) as second_failures:
            send(contract, connection, 3_000, 3_000)
            records = copied(connection, lambda found: len({record.headers[-1][1] for record in found}) == 6_000)

    assert len(records) == 6_000
    for record in records:
        number = int(dict(record.headers)["event_id"][1:])
        assert record.key == str(number % 5).encode()
        assert record.partition == partition_of(record.key, PARTITIONS)
        assert record.timestamp == 1_769_860_800_000 + number
        assert dict(record.headers)["contract"] == b"pay/1"
    for failure in (*failures, *second_failures):
        assert isinstance(failure, RekeyError)
        assert str(failure) == (
            "the broker takes no more from this process: another one writes the events by their other keys\n"
            "  transactions:  rekey-of-the-test\n"
            "  expected:      one rekey process a project, which takes less than 30 s for a transaction\n"
            "  try:           headrace status"
        )


def test_what_the_contract_refuses_is_left_out_and_a_missing_id_is_the_place(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    producer = KafkaProducer(**connection.client_options())
    values = (
        b'{"card":"c","terminal":7,"at":"2026-01-31T12:00:00Z","amount":1}',
        b'{"card":"c","terminal":7,"at":"2026-01-31T12:00:00Z","amount":-1}',
        b"no JSON",
        b'{"card":"c","terminal":8,"at":"2026-01-31T12:00:01Z","amount":2}',
    )
    for value in values:
        producer.send(contract.topic(connection.topic_prefix), key=b"c", value=value, partition=1)
    producer.close()
    with by_terminal(contract, connection) as failures:
        records = copied(connection, lambda found: len(found) == 2)
    assert failures == []
    assert sorted((record.key, dict(record.headers)["event_id"]) for record in records) == [
        (b"7", b"pay-1-0"),
        (b"8", b"pay-1-3"),
    ]


def test_an_event_whose_copy_its_topic_does_not_take_is_a_dead_letter_and_the_others_go_on(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    topic = f"{connection.topic_prefix}events.pay.by.terminal"
    with closing(KafkaAdminClient(**connection.client_options())) as admin:
        admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": "100000"})])
    large = noise()[:750_000]
    sizes = (0, 200_000, len(large), 0, 150_000, 0, 150_000, 0)
    with Producer([contract], connection) as producer:
        for number, size in enumerate(sizes):
            fields = {"card": "c", "terminal": number, "at": "2026-01-31T12:00:00Z", "amount": 1}
            note = {"note": large[:size]}
            producer.send("pay", fields | note, event_id=f"e{number}", timestamp_ms=1_769_860_800_000)
    with by_terminal(contract, connection) as failures:
        records = copied(connection, lambda found: len(found) == 4)
        written = copied(connection, lambda found: len(found) == 4, "dead_letters")
    assert failures == []
    assert sorted(dict(record.headers)["event_id"] for record in records) == [b"e0", b"e3", b"e5", b"e7"]
    kept, cut, *others = sorted((json.loads(one.value) for one in written), key=lambda one: str(one["event_id"]))
    assert json.loads(base64.b64decode(kept.pop("value")))["note"] == large[:200_000]
    assert [
        (one["reason"], one["event"], one["topic"], one["key"], one["event_id"]) for one in (kept, cut, *others)
    ] == [("too_large", "pay", f"{connection.topic_prefix}events.pay", "c", f"e{number}") for number in (1, 2, 4, 6)]
    assert (cut["value"], cut["offset"] - kept["offset"]) == (None, 1)
    assert cut["detail"] == (
        f"{topic} takes no record of {len(large) + 80:,} bytes (too large to be kept here: the value)"
    )


def test_the_largest_event_that_a_topic_takes_is_copied_where_copies_have_the_room_of_theirs(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    topic = f"{connection.topic_prefix}events.pay.by.terminal"
    with closing(KafkaAdminClient(**connection.client_options())) as admin:
        admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": str(LARGEST_RECORD_BYTES)})])
    frame = b'{"card":"c","terminal":7,"at":"2026-01-31T12:00:00Z","amount":1,"note":"%s"}'
    value = frame % noise()[: 1_048_588 - 88 - len(frame)].encode()
    with closing(KafkaProducer(**connection.client_options(), max_request_size=2_000_000)) as producer:
        producer.send(contract.topic(connection.topic_prefix), key=b"c", value=value).get(30)
    with by_terminal(contract, connection) as failures:
        (record,) = copied(connection, lambda found: len(found) == 1)
    assert (failures, record.key, record.value == value) == ([], b"7", True)


def noise() -> str:
    """Text of JSON that does not compress, of more than a megabyte."""
    letters = base64.b85encode(random.Random(7).randbytes(900_000)).decode()
    return letters.replace('"', "").replace("\\", "")
