"""Labels with the event they are about: when they may be known, how long they wait, what becomes of the rest."""

import base64
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract, load_contracts
from headrace_ingestion.derived import load_derived
from headrace_ingestion.joined import JoinedContract
from headrace_ingestion.records import Parsed, StoredRecord
from headrace_lake import Lake
from headrace_lake.by_id import events_by_id
from headrace_lake.commit import append_rows
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import events_table
from headrace_streaming.labels import Around, label_turn
from headrace_streaming.outgoing import Outgoing, StoppedTurn

DAY_MS = 86_400_000
PAID_MS = 1_769_860_800_000
EVENTS = {
    "payment": """\
name: payment
version: 2
key: card
time: at
fields:
  card: {type: string}
  shop: {type: long}
  at: {type: timestamp}
  amount: {type: decimal, precision: 9, scale: 2}
  currency: {type: string, default: CHF}
  tags: {type: map, values: {type: long}, required: false}
  lines: {type: list, items: {type: object, fields: {at: {type: timestamp}}}}
""",
    "report": """\
name: report
version: 1
key: payment_id
time: at
fields:
  payment_id: {type: string}
  at: {type: timestamp}
  fraud: {type: bool}
""",
    "outcome": """\
name: outcome
version: 1
key: shop
join: {label: report, to: payment, by: payment_id, delay: 7d, wait: 30s}
""",
}
INSTANT = datetime.fromtimestamp(PAID_MS / 1000, UTC)
PAYMENT: dict[str, Any] = {
    "card": "c1", "shop": 7, "at": INSTANT, "amount": Decimal("12.50"), "currency": "CHF",
    "tags": {"a": 1}, "lines": [{"at": INSTANT}],
}  # fmt: skip


class Payments:
    """What is in the lake, a clock, and what comes when one waits."""

    def __init__(self, **there: Mapping[str, Any]) -> None:
        self.there = dict(there)
        self.later: list[tuple[float, str, Mapping[str, Any]]] = []
        self.now = 0.0
        self.looks: list[set[str]] = []
        self.stops = False

    def find(self, ids: Collection[str]) -> dict[str, tuple[Mapping[str, Any], int]]:
        self.looks.append(set(ids))
        return {name: (self.there[name], PAID_MS + 40) for name in ids if name in self.there}

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.there |= {name: fields for at, name, fields in self.later if at <= self.now}
        return self.stops


@pytest.fixture
def join(tmp_path: Path) -> JoinedContract:
    """The join of reports to payments."""
    for name, text in EVENTS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    found = load_derived(tmp_path, load_contracts(tmp_path))["outcome"]
    assert isinstance(found, JoinedContract)
    return found


def turned(join: JoinedContract, payments: Payments, *labels: tuple[str, int]) -> list[Outgoing]:
    """Turn labels: the payment that each names, and how long after it the label came."""
    records = []
    for offset, (payment_id, after_ms) in enumerate(labels):
        at = datetime.fromtimestamp((PAID_MS + after_ms) / 1000, UTC).isoformat()
        value = json.dumps({"payment_id": payment_id, "at": at, "fraud": True}).encode()
        headers = [("event_id", f"l{offset}".encode())]
        records.append(
            StoredRecord("x.events.report", 2, offset, PAID_MS + after_ms + 5, payment_id.encode(), value, headers)
        )
    around = Around("x.", "x.dead_letters", payments.wait, lambda: payments.now)
    return label_turn(join, payments.find, around)(records).records


def read(contract: Contract, made: Outgoing) -> Parsed:
    parsed = compile_parser(contract)(
        StoredRecord(made.topic, 0, 0, made.timestamp_ms, made.key, made.value, made.headers)
    )
    assert isinstance(parsed, Parsed), parsed
    return parsed


def test_a_label_holds_its_event_and_is_visible_after_the_delay(join: JoinedContract) -> None:
    early, late = turned(join, Payments(p=PAYMENT), ("p", DAY_MS), ("p", 8 * DAY_MS))
    assert (early.topic, early.key, early.timestamp_ms) == ("x.events.outcome", b"7", PAID_MS + DAY_MS + 5)
    parsed = read(join, early)
    assert parsed.fields == {
        "visible_at": PAID_MS + 7 * DAY_MS, "told_at": PAID_MS + DAY_MS, "card": "c1", "shop": 7, "at": PAID_MS,
        "amount": "12.50", "currency": "CHF", "tags": {"a": 1}, "lines": [{"at": PAID_MS}],
        "payment_id": "p", "report_at": PAID_MS + DAY_MS, "fraud": True,
    }  # fmt: skip
    assert (parsed.event_id, parsed.contract, parsed.event_time_ms) == ("l0", "outcome/1", PAID_MS + 7 * DAY_MS)
    assert read(join, late).event_time_ms == PAID_MS + 8 * DAY_MS


def test_a_label_that_comes_before_its_event_is_known_when_that_was(join: JoinedContract) -> None:
    (made,) = turned(join, Payments(p=PAYMENT), ("p", -60_000))
    assert made.timestamp_ms == PAID_MS + 40
    assert read(join, made).event_time_ms == PAID_MS + 7 * DAY_MS


def test_a_label_waits_for_its_event_and_all_are_looked_up_together(join: JoinedContract) -> None:
    payments = Payments(p=PAYMENT)
    payments.later = [(5.0, "q", {**PAYMENT, "shop": 8})]
    made = turned(join, payments, ("p", 0), ("q", 0), ("p", 1))
    assert [one.key for one in made] == [b"7", b"8", b"7"]
    assert payments.looks == [{"p", "q"}, {"q"}, {"q"}, {"q"}]
    assert payments.now == 7.0


def test_a_label_whose_event_does_not_come_is_a_dead_letter_and_the_others_go_on(join: JoinedContract) -> None:
    payments = Payments(p=PAYMENT)
    letter, made = turned(join, payments, ("nowhere", 0), ("p", 0))
    assert payments.now == 30.0
    assert (made.topic, letter.topic, letter.key) == ("x.events.outcome", "x.dead_letters", b"nowhere")
    assert letter.value is not None
    told = json.loads(letter.value)
    assert base64.b64decode(told.pop("value")).startswith(b'{"payment_id": "nowhere"')
    assert told.pop("recorded_at_ms") > PAID_MS
    assert told == {
        "reason": "unmatched",
        "detail": "field 'payment_id' names no event 'payment' that came within 30s",
        "event": "report", "topic": "x.events.report", "partition": 2, "offset": 0,
        "record_timestamp_ms": PAID_MS + 5, "event_id": "l0", "key": "nowhere",
    }  # fmt: skip


def test_a_label_of_almost_a_megabyte_without_its_event_is_a_letter_that_its_topic_takes(join: JoinedContract) -> None:
    letter, made = turned(join, Payments(p=PAYMENT), ("x" * 950_000, 0), ("p", 0))
    assert letter.value is not None
    told = json.loads(letter.value)
    assert (letter.key, told["key"], told["value"], told["offset"], told["event_id"]) == (None, None, None, 0, "l0")
    assert told["detail"].endswith(" within 30s (too large to be kept here: the key and value)")
    assert made.topic == "x.events.outcome"


def test_an_event_that_lacks_what_its_contract_demands_now_makes_a_dead_letter(join: JoinedContract) -> None:
    (letter,) = turned(join, Payments(p={name: value for name, value in PAYMENT.items() if name != "lines"}), ("p", 0))
    assert letter.value is not None
    assert [json.loads(letter.value)[name] for name in ("reason", "detail")] == [
        "missing_field",
        "field 'lines' is missing",
    ]


def test_what_waits_is_given_up_when_the_process_is_to_stop(join: JoinedContract) -> None:
    payments = Payments()
    payments.stops = True
    with pytest.raises(StoppedTurn):
        turned(join, payments, ("p", 0))


def test_events_are_found_in_a_real_lake_as_the_sdk_takes_them(join: JoinedContract, tmp_path: Path) -> None:
    spec = events_table(join.to_contract)
    place = {"_contract": "payment/2", "_partition": 0, "_key": "c1", "_recorded_at": (PAID_MS + 40) * 1000}
    row = {**PAYMENT, "tags": [("a", 1)]}
    rows = [
        {**row, "event_id": "p", **place, "_offset": 0},
        {**row, "event_id": "p", **place, "_offset": 1, "shop": 9},
        {**row, "event_id": "other", **place, "_offset": 2},
    ]
    empty = Lake(tmp_path / "lake", [spec])
    assert events_by_id(empty, join.to_contract, {"p"}) == {}
    append_rows(tmp_path / "lake", spec, pa.Table.from_pylist(rows, schema=arrow_schema(spec)), "test")
    found = events_by_id(Lake(tmp_path / "lake", [spec]), join.to_contract, {"p", "q"})
    assert found == {"p": (PAYMENT, PAID_MS + 40)}
    payments = Payments(p=found["p"][0])
    assert turned(join, payments, ("p", 0)) == turned(join, Payments(p=PAYMENT), ("p", 0))
