"""The semantics page through real Flink: random declarations and events, one job, against the slow reference."""

import json
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flink_cluster import standalone_cluster
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract, contract_as_dict
from headrace_streaming.checkpoints import StateFolder
from hypothesis import HealthCheck, Phase, given, settings
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from reference import Event, Rules, reference_rows
from view_cases import READING, declarations, duckdb_rows, joined, load_declaration, make_events, seed_of, with_labels
from view_checks import check_values

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VIEWS = 16
PLAIN_VIEWS = 8
"""The first ones that are drawn are the plainest."""
EVENT_LISTS = 14
SEED = 20261121
# What no feature can read stands among the fields that features do read.
UNREAD: dict[str, Any] = {
    "price": {"type": "decimal", "precision": 9, "scale": 2, "required": False},
    "day": {"type": "date", "default": "2026-01-01"},
    "parts": {"type": "list", "items": {"type": "object", "fields": {"n": {"type": "int"}}}},
    "counts": {"type": "map", "values": {"type": "long"}, "required": False},
    "state": {"type": "enum", "values": ["on", "off"], "default": "on"},
}
READ = contract_as_dict(READING)
TOLD: dict[str, Any] = {"told_at": {"type": "timestamp"}}
WIDER = Contract.model_validate({**READ, "fields": {**UNREAD, **READ["fields"], **TOLD}})


def _drawn() -> list[tuple[dict[str, Any], Rules]]:
    """Return random declarations, the same in every run."""
    found: list[tuple[dict[str, Any], Rules]] = []

    @settings(
        max_examples=PLAIN_VIEWS + VIEWS,
        derandomize=True,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(declarations())
    def draw(drawn: tuple[dict[str, Any], Rules]) -> None:
        found.append(drawn)

    draw()
    return [
        ({**declaration, "name": f"random_{i}"}, rules) for i, (declaration, rules) in enumerate(found[PLAIN_VIEWS:])
    ]


def _events(lists: int) -> list[Event]:
    """Return many lists of events as one."""
    random = Random(SEED)
    # Some are longer than the pieces in which the kernel keeps a history.
    made = (make_events(random.randrange(2**32), 500 if n % 7 == 0 else 90, 3) for n in range(lists))
    return joined(with_labels(events, SEED) for events in made)


def test_flink_gives_the_rows_of_the_semantics_page(broker: Any, tmp_path: Path) -> None:
    _check(broker, tmp_path, _drawn(), _events(EVENT_LISTS))


def test_a_cluster_gives_them_too_behind_the_seam_of_a_backfill(broker: Any, tmp_path: Path) -> None:
    # Every key has a history behind the seam, and goes on.
    events = make_events(SEED, 900, 6, is_steady=True)
    seam = len(events) * 2 // 3
    by_arrival = [one for one in _drawn() if one[1].lateness_ms is None]
    in_event_time = [one for one in _drawn() if one[1].lateness_ms is not None]
    with standalone_cluster(tmp_path / "cluster") as rest:
        _check(broker, tmp_path, by_arrival, events, seam=seam, cluster=rest)
        # Labels that wait at the seam are read once more, and nothing else of what is read with them counts twice.
        _check(broker, tmp_path, in_event_time, with_labels(events, SEED), seam=seam, cluster=rest)


def _check(
    broker: Any,
    tmp_path: Path,
    drawn: list[tuple[dict[str, Any], Rules]],
    events: list[Event],
    seam: int = 0,
    cluster: str = "",
) -> None:
    drawn = [(declaration, replace(rules, seam=seam)) for declaration, rules in drawn]
    folder = tmp_path / f"semantics-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    files = _write(folder, [declaration for declaration, _ in drawn])
    prefix = f"{folder.name}."
    topics = [
        *(f"features.{declaration['name']}" for declaration, _ in drawn),
        "late_events",
        "duplicates",
        "dead_letters",
    ]
    for topic in ("events.reading", *topics):
        broker.create_topic(f"{prefix}{topic}")
    _produce(broker.bootstrap_servers, f"{prefix}events.reading", events)
    if seam:
        _backfill(folder, [file for file in files[1:]], events[:seam])
    script = str(Path(__file__).with_name("run_bounded.py"))
    command = [sys.executable, script, str(folder), broker.bootstrap_servers, cluster or "none", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-6000:]
    records = {topic: _consume(broker.bootstrap_servers, f"{prefix}{topic}") for topic in topics}
    assert records["dead_letters"] == []
    for (declaration, rules), file in zip(drawn, files[1:], strict=True):
        _check_view(declaration["name"], rules, events, records, file, seam)


def _backfill(folder: Path, files: list[Path], history: list[Event]) -> None:
    """Leave what a job needs that begins behind these events."""
    newest_ms = max(event.progress_ms for event in history)
    waiting = {event.offset for event in history if event.time_ms > newest_ms}
    counted = [event for event in history if event.offset not in waiting]
    for file in files:
        seed_of(load_declaration(json.loads(file.read_text()), folder), counted, folder / "seed" / file.stem)
    begin = {0: min(waiting)} if any(event.told_ms is not None for event in history) else {}
    StateFolder(folder, "").write_seam({0: len(history)}, newest_ms, begin)


def _write(folder: Path, declared: list[dict[str, Any]]) -> list[Path]:
    contract = folder / "reading.yaml"
    contract.write_text(json.dumps(contract_as_dict(WIDER)))
    files = []
    for declaration in declared:
        file = folder / f"{declaration['name']}.yaml"
        file.write_text(json.dumps(declaration))
        files.append(file)
    return [contract, *files]


def _produce(bootstrap_servers: str, topic: str, events: list[Event]) -> None:
    encode = compile_encoder(WIDER)
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True, acks="all")
    for event in events:
        at = f"{_iso(event.time_ms)}"
        own = {"series": event.key, "at": at, "told_at": _iso(event.progress_ms), "parts": [{"n": 1}], "price": "0.5"}
        value = encode({**own, **event.fields})
        headers = [("event_id", event.event_id.encode())]
        producer.send(topic, value.value, key=value.key, headers=headers, timestamp_ms=event.time_ms)
    producer.flush()
    producer.close()


def _iso(time_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _consume(bootstrap_servers: str, topic: str) -> list[dict[str, Any]]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", consumer_timeout_ms=1
    )
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    found: list[dict[str, Any]] = []
    while consumer.position(place) < end:
        for records in consumer.poll(500).values():
            found += [json.loads(record.value) for record in records]
    consumer.close()
    return found


def _check_view(
    name: str, rules: Rules, events: list[Event], records: dict[str, list[dict[str, Any]]], file: Path, seam: int
) -> None:
    newest_ms = max((event.progress_ms for event in events[:seam]), default=0)
    expected = [
        row for row in reference_rows(rules, events) if row.event.offset >= seam or row.event.time_ms > newest_ms
    ]
    rows = {row["source_offset"]: row for row in records[f"features.{name}"]}
    assert len(rows) == len(records[f"features.{name}"]), "a row came twice"
    noted = {r["offset"]: (r["order"], r["clock_ms"]) for r in records["late_events"] if r["view"] == name}
    order = "arrival" if rules.lateness_ms is None else "event_time"
    repeated = sorted(r["offset"] for r in records["duplicates"] if r["view"] == name)
    assert noted == {row.event.offset: (order, row.clock_ms) for row in expected if row.is_late}
    assert repeated == [row.event.offset for row in expected if row.is_duplicate]
    accepted = [row for row in expected if row.has_row]
    assert sorted(rows) == [row.event.offset for row in accepted]
    view = load_declaration(json.loads(file.read_text()), file.parent)
    compiled, twins, _ = duckdb_rows(view, events, {row.event.offset for row in expected if row.is_left_out})
    twin = {one["source_offset"]: one for one in twins}
    for row in accepted:
        got = rows[row.event.offset]
        assert (got["clock_ms"], got["generation"], got["event_id"]) == (
            row.clock_ms,
            row.generation,
            row.event.event_id,
        )
        check_values(row, got, view, twin[row.event.offset], compiled)
