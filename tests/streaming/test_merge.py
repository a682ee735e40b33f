"""Several events in one topic, in one order: each once, whole, and known by what it was."""

import time
from pathlib import Path
from typing import Any

import orjson
from headrace_ingestion import Producer
from headrace_ingestion.codec import compile_encoder, compile_parser
from headrace_ingestion.contract import Contract, load_contracts
from headrace_ingestion.derived import load_derived
from headrace_ingestion.merged import MergedContract
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.records import Parsed, StoredRecord
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.outgoing import copies
from kafka import KafkaProducer
from rekeying import committed, rekeying

EVENTS = {
    "payment": """\
name: payment
version: 1
key: card
time: paid_at
fields:
  card: {type: string}
  shop: {type: long}
  paid_at: {type: timestamp}
  amount: {type: decimal, precision: 9, scale: 2}
  currency: {type: string, default: CHF}
  lines: {type: list, items: {type: object, fields: {at: {type: timestamp}, n: {type: int}}}}
""",
    "login": """\
name: login
version: 1
key: card
time: at
fields:
  card: {type: string}
  shop: {type: long}
  at: {type: timestamp}
  device: {type: string, required: false}
""",
    "activity": "name: activity\nversion: 1\nkey: card\nmerge: [payment, login]\n",
}
PAID: dict[str, Any] = {
    "card": "c1",
    "shop": 7,
    "paid_at": "2026-01-31T12:00:00.500Z",
    "amount": "12.5",
    "lines": [{"at": "2026-01-31T11:00:00Z", "n": 1}],
}


def declared(folder: Path) -> tuple[dict[str, Contract], MergedContract]:
    for name, text in EVENTS.items():
        (folder / f"{name}.yaml").write_text(text)
    contracts = load_contracts(folder)
    merge = load_derived(folder, contracts)["activity"]
    assert isinstance(merge, MergedContract)
    return {**contracts, "activity": merge}, merge


def test_personal_data_goes_into_a_merge_as_it_stands_in_its_record(tmp_path: Path) -> None:
    for name in EVENTS:
        hashed = EVENTS[name].replace("card: {type: string}", "card: {type: string, pii: hash, max_length: 8}")
        (tmp_path / f"{name}.yaml").write_text(hashed)
    contracts = load_contracts(tmp_path)
    merge = load_derived(tmp_path, contracts)["activity"]
    assert isinstance(merge, MergedContract)
    secret = PiiSecret("a secret of the test, long enough")
    sent = compile_encoder(contracts["payment"], secret)(PAID)
    record = StoredRecord("events.payment", 0, 0, 1_769_860_800_600, sent.key, sent.value, ())
    (found,) = copies(contracts, [], [merge])["events.payment"]([record]).records
    assert found.key == sent.key == secret.hash("c1").encode()
    assert orjson.loads(found.value or b"")["card"] == secret.hash("c1")


def test_a_record_of_a_merge_holds_what_its_contract_read_of_the_event(tmp_path: Path) -> None:
    events, merge = declared(tmp_path)
    turn = copies(events, [], [merge])["events.payment"]
    value = (
        b'{"card":"c1","shop":7,"paid_at":"2026-01-31T13:00:00.5+01:00","amount":"12.5",'
        b'"lines":[{"at":"2026-01-31T11:00:00Z","n":1}],"newer":1}'
    )
    headers = [
        ("event_id", b"e1"),
        ("contract", b"payment/2"),
        ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    ]
    turned = turn([
        StoredRecord("events.payment", 0, 0, 1_769_860_800_600, b"c1", value, headers),
        StoredRecord("events.payment", 0, 1, 1_769_860_800_600, b"c1", b"no JSON", ()),
    ])  # fmt: skip
    assert turned.refused == 1
    (made,) = turned.records
    assert (made.topic, made.key, made.timestamp_ms) == ("events.activity", b"c1", 1_769_860_800_600)
    parsed = compile_parser(merge)(
        StoredRecord(made.topic, 0, 0, made.timestamp_ms, made.key, made.value, made.headers)
    )
    assert isinstance(parsed, Parsed)
    assert {name: value for name, value in parsed.fields.items() if value is not None} == {
        "event": "payment",
        "happened_at": 1_769_860_800_500,
        "card": "c1",
        "shop": 7,
        "paid_at": 1_769_860_800_500,
        "amount": "12.50",
        "currency": "CHF",
        "lines": [{"at": 1_769_857_200_000, "n": 1}],
    }
    assert (parsed.event_id, parsed.contract, parsed.event_time_ms) == ("payment:e1", "activity/1", 1_769_860_800_500)
    assert parsed.trace == "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def test_events_come_together_each_once_and_go_on_by_another_key(broker: Any, tmp_path: Path) -> None:
    events, merge = declared(tmp_path)
    prefix = f"merge{time.time_ns()}."
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)
    by_shop = RekeyedContract(merge, "shop")
    for contract in (*events.values(), by_shop):
        broker.create_topic(contract.topic(prefix), 1)
    turns = copies(events, [by_shop], [merge], prefix)

    def send(numbers: range) -> None:
        with Producer([events["payment"], events["login"]], connection) as producer:
            for number in numbers:
                # Both have the same ids.
                # One is as large as a producer may send, and larger yet in the merge.
                wide = {"currency": "x" * 1_048_220} if number == 7 else {}
                producer.send("payment", {**PAID, "shop": number, **wide}, event_id=f"e{number}")
                producer.send("login", {"card": "c1", "shop": number, "at": PAID["paid_at"]}, event_id=f"e{number}")

    # The first may be ended while it writes; the second goes on where that one has committed.
    with rekeying(connection, turns, "merge-of-the-test") as failures:
        send(range(200))
        committed(connection, merge.topic(prefix), 1, lambda found: len(found) > 0)
    send(range(200, 300))
    with rekeying(connection, turns, "merge-of-the-test") as second_failures:
        with KafkaProducer(**connection.client_options()) as raw:
            raw.send(events["login"].topic(prefix), key=b"c1", value=b"no JSON")
        merged = committed(connection, merge.topic(prefix), 1, lambda found: len(found) >= 600)
        again = committed(connection, by_shop.topic(prefix), 1, lambda found: len(found) >= 600)
    assert failures == second_failures == []
    ids = [dict(record.headers)["event_id"].decode() for record in merged]
    assert len(ids) == 600
    for name in ("payment", "login"):
        # One order: that of each source is kept in it.
        assert [one for one in ids if one.startswith(name)] == [f"{name}:e{number}" for number in range(300)]
    assert [dict(record.headers)["event_id"].decode() for record in again] == ids
    assert {record.key for record in again} == {str(number).encode() for number in range(300)}
