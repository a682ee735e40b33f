"""`headrace bench ingest`: the SDK beside plain clients that send the same bytes; over HTTP; from put to get."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

from headrace_ingestion import Producer
from headrace_ingestion.contract import Contract
from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError
from headrace.bench.ingest_clients import open_confluent, open_kafka_python
from headrace.bench.ingest_http import TOPIC_PREFIX, Posted, post_events
from headrace.bench.load import Load, Noted, Reading, end_offsets, read_arrivals, send_open_loop
from headrace.bench.project import contract_of, make_project
from headrace.bench.workload import Message, Workload, events, messages

Sender = Literal["headrace", "kafka_python", "headrace_confluent", "confluent"]
SENDERS: tuple[Sender, ...] = get_args(Sender)
Report = Callable[[str], None]
"""Called with a line about the progress."""

_PARTITIONS = 4
_FLUSH_SECONDS = 300.0
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class IngestBench:
    """What to measure.

    Attributes:
        events: Events that each sends in a round.
        keys: Keys that they are spread over.
        rounds: How often each sends; they take turns.
        rate: Events a second of the measurement from put to get.
        seconds: How long it takes; 0: it is left out.
        followed: Whose events are followed from put to get.
        http_seconds: How long each client of the server is measured; 0: it is left out.
    """

    events: int = 100_000
    keys: int = 5_000
    rounds: int = 5
    rate: int = 1_000
    seconds: int = 20
    followed: tuple[Sender, ...] = ("headrace", "headrace_confluent")
    http_seconds: float = 10


@dataclass(frozen=True)
class Sent:
    """What sending took: from the first event to the last acknowledgement.

    Attributes:
        seconds: Wall time.
        cpu_seconds: CPU time of the sending process.
    """

    seconds: float
    cpu_seconds: float


@dataclass
class IngestResult:
    """What was measured.

    Attributes:
        bench: What was asked for.
        sent: Sender → what each round took.
        put_to_get_ms: SDK with which client → milliseconds from the call of `send` to the arrival at a reader.
        record_bytes: Mean size of key, value and headers.
        posted: Client of `headrace serve` → what its requests took.
    """

    bench: IngestBench
    record_bytes: float = 0.0
    sent: dict[Sender, list[Sent]] = field(default_factory=lambda: {name: [] for name in SENDERS})
    put_to_get_ms: dict[Sender, list[float]] = field(default_factory=dict)
    posted: dict[str, Posted] = field(default_factory=dict)


@dataclass(frozen=True)
class _Arena:
    connection: KafkaConnection
    contract: Contract
    fields: Sequence[dict[str, Any]]
    records: Sequence[Message]


def bench_ingest(bench: IngestBench, report: Report = lambda line: None) -> IngestResult:
    """Measure sending on a broker that is gone afterwards.

    Raises:
        BenchError: An event was not acknowledged, or did not arrive.
    """
    from headrace.stack.broker import local_broker

    with TemporaryDirectory(prefix="headrace-bench-ingest-") as name:
        folder = Path(name)
        with local_broker(folder) as broker:
            connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
            return measure_ingest(bench, connection, folder / "project", report)


def measure_ingest(bench: IngestBench, connection: KafkaConnection, project: Path, report: Report) -> IngestResult:
    """Do what `bench_ingest` does on a broker that is there, with the declarations written into an empty folder."""
    from headrace.stack.topics import TopicSpec, ensure_topics

    contract = contract_of(make_project(project, partitions=_PARTITIONS))
    workload = Workload("ingest", bench.events, bench.keys)
    arena = _Arena(connection, contract, list(events(workload)), list(messages(workload, contract)))
    result = IngestResult(bench, sum(map(_size, arena.records)) / len(arena.records))
    topics = [contract.topic(prefix) for prefix in (*(f"{sender}." for sender in SENDERS), TOPIC_PREFIX)]
    ensure_topics(connection, dict.fromkeys(topics, TopicSpec(partitions=_PARTITIONS)))
    for number in range(bench.rounds):
        for sender in SENDERS if number % 2 == 0 else reversed(SENDERS):
            taken = _send(arena, sender)
            result.sent[sender].append(taken)
            rate = bench.events / taken.seconds
            report(f"round {number + 1} of {bench.rounds}  {sender:<18} {rate:>10,.0f} events/s")
    if bench.http_seconds:
        result.posted = post_events(project, connection, contract, arena.fields, bench.http_seconds, report)
    if bench.seconds:
        for sender in bench.followed:
            result.put_to_get_ms[sender] = _put_to_get(arena, sender, bench, report)
    return result


def _size(record: Message) -> int:
    return len(record.key) + len(record.value) + sum(len(name) + len(value) for name, value in record.headers)


def _sdk(arena: _Arena, sender: Sender) -> KafkaConnection:
    transport = "confluent" if sender == "headrace_confluent" else "kafka-python"
    return arena.connection.model_copy(update={"topic_prefix": f"{sender}.", "transport": transport})


def _send(arena: _Arena, sender: Sender) -> Sent:
    if sender in ("headrace", "headrace_confluent"):
        return _send_by_sdk(arena, sender)
    open_client = open_kafka_python if sender == "kafka_python" else open_confluent
    send, finish = open_client(arena.connection, arena.contract.topic(f"{sender}."))
    # Connected and with the topic known, like the SDK.
    send(arena.records[0])
    finish(False)
    return _timed(send, arena.records, lambda: finish(True), sender)


def _send_by_sdk(arena: _Arena, sender: Sender) -> Sent:
    with Producer(arena.contract, _sdk(arena, sender)) as producer:
        event = arena.contract.name
        producer.send(event, arena.fields[0]).result(_FLUSH_SECONDS)

        def finish() -> int:
            producer.flush(_FLUSH_SECONDS)
            return producer.counters.delivered

        return _timed(lambda fields: producer.send(event, fields), arena.fields, finish, sender)


def _timed(send: Callable[[Any], object], items: Sequence[Any], finish: Callable[[], int], sender: Sender) -> Sent:
    cpu_began, began = time.process_time(), time.perf_counter()
    for item in items:
        send(item)
    acknowledged = finish()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    if acknowledged != len(items) + 1:
        raise BenchError(
            f"{sender}: {len(items) + 1 - acknowledged} of {len(items) + 1} events were not acknowledged",
            {},
            "headrace bench ingest --events 10000",
        )
    return Sent(seconds, cpu_seconds)


def _put_to_get(arena: _Arena, sender: Sender, bench: IngestBench, report: Report) -> list[float]:
    """Send at the rate and read in two processes; return milliseconds without those of the first second."""
    count = bench.rate * bench.seconds
    connection, contract = _sdk(arena, sender), arena.contract
    topic = contract.topic(connection.topic_prefix)
    now = datetime.now(UTC)
    # The device says which event it is: the id itself stands in a header.
    sent = [
        (f"e{number:07}", {**arena.fields[number % len(arena.fields)], "started_at": now, "device": f"e{number:07}"})
        for number in range(count)
    ]
    load = Load((contract,), connection, contract.name, sent, bench.rate)
    reading = Reading(
        "features", topic, end_offsets(connection, topic), count, bench.seconds + _LONGEST_SECONDS, id_field="device"
    )
    report(f"{sender}: {count:,} events at {bench.rate:,} a second, from put to get")
    context = get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    bodies: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (send_open_loop, (load, barrier, results)),
        (read_arrivals, (connection, reading, barrier, results)),
    ]
    processes = [context.Process(target=body, args=arguments, daemon=True) for body, arguments in bodies]
    for process in processes:
        process.start()
    noted: dict[str, Noted] = {}
    for _ in processes:
        one = results.get(timeout=bench.seconds + 3 * _LONGEST_SECONDS)
        noted[one.part] = one
    for process in processes:
        process.join()
    put, got = noted["sent"].at_ns, noted["features"].at_ns
    if len(got) != count:
        raise BenchError(f"{count - len(got)} of {count} events did not arrive", {}, "headrace bench ingest --rate 100")
    warm = list(islice(put, min(bench.rate, count // 2), None))
    return [(got[event_id] - put[event_id]) / 1e6 for event_id in warm]
