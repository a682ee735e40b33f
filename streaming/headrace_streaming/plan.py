"""The views of one event and key → the SQL of one Flink job, as text. Knows neither Kafka nor Flink objects.

One straight line from the source to the sink: events → (exchange by key) → [order] → kernel → [expressions]. Three
steps are our own between views of SQL: the source reads records by their contract where the connector has them, events
are put into the order of their times where a view asks for it, and the kernel's state needs what functions in SQL
cannot have. The kernel writes its records itself; features that are SQL are added to a row's record behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace_features.view import Input, View
from headrace_ingestion.codec import parser_spec
from headrace_ingestion.errors import DeclarationError

from headrace_streaming.specs import expressions_of, kernel_spec, record_spec
from headrace_streaming.topics import GroupTopics

MOST_INPUTS = 64
"""The kernel marks nulls in one word of 64 bits."""

PRODUCER: Mapping[str, str] = {
    # Must not be above the broker's transaction.max.timeout.ms, whose default is this.
    "transaction.timeout.ms": "900000",
    "linger.ms": "2",
    "batch.size": "262144",
    "compression.type": "lz4",
}
"""How the job's sink sends: properties of Kafka's client."""

_FUNCTIONS = {"completed": "headrace.Completed"}
_EVENTS = "events"
_INPUTS = "inputs"


@dataclass(frozen=True)
class KafkaTables:
    """How the job's tables reach Kafka.

    Attributes:
        bootstrap_servers: `host:port,…`.
        properties: Further client properties by Kafka's names (login, certificates).
        group_id: Consumer group under which offsets are reported.
        transactional_id_prefix: Stable per project, group and plan.
        bounded: Whether to read up to the present end and finish.
        ends: With `bounded`: partition → first offset that is not read, nothing of others; empty: the present end.
    """

    bootstrap_servers: str
    group_id: str
    transactional_id_prefix: str
    properties: Mapping[str, str] = field(default_factory=dict)
    bounded: bool = False
    ends: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seam:
    """Where a job without state goes on from: behind the events that a backfill has given their rows.

    Attributes:
        offsets: Partition → first offset behind them.
        newest_ms: How far time had come with them, in milliseconds since 1970.
        folder: URI of the folder with one folder a view of what its kernel needs to go on.
        begin: Partition → first offset that the job reads, where events before the seam may be known only after it.
    """

    offsets: Mapping[int, int]
    newest_ms: int
    folder: str
    begin: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceStep:
    """A topic of events as a view: each record read by its contract, or its dead letter.

    Attributes:
        topic: The topic.
        target: The view that it makes.
        contract: The contract as the functions read it, as JSON.
        client: Properties of Kafka's client.
        bounded: Whether to read up to the present end and finish.
        idle_ms: With watermarks, after what silence a partition no longer holds them back; 0: without watermarks.
        offsets: Without state: partition → offset to begin at; others begin at their beginning.
        uid: Name of its state.
        ends: With `bounded`: partition → first offset that is not read, nothing of others; empty: the present end.
    """

    topic: str
    target: str
    contract: str
    client: Mapping[str, str]
    bounded: bool
    idle_ms: int
    offsets: Mapping[int, int]
    uid: str
    ends: Mapping[int, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The step as people read it."""
        end = str(dict(self.ends) or "its present end") if self.bounded else "no end"
        servers = self.client["bootstrap.servers"]
        begin = f", from {dict(self.offsets)}" if self.offsets else ""
        watermarks = f", watermarks without partitions silent for {self.idle_ms} ms" if self.idle_ms else ""
        return (
            f"-- source: {self.topic} at {servers}, to {end}{begin}{watermarks} -> {self.target}, state {self.uid}\n"
            f"-- {self.contract}"
        )


@dataclass(frozen=True)
class OrderStep:
    """The events of each key in the order of their times, between a view and kernels.

    Attributes:
        source: The view it reads; it exists.
        target: Its name for kernels.
        key_type: Contract type of the key.
        lateness_ms: How far the watermark has to be past an event.
        quiet_ms: After what silence all that is held goes on.
        uid: Name of its state.
        after_ms: Without state: events up to this instant have gone on before.
        counted: Without state: partition → offset before which such events are read once more, to be passed over.
    """

    source: str
    target: str
    key_type: str
    lateness_ms: int
    quiet_ms: int
    uid: str
    after_ms: int = -1
    counted: Mapping[int, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The step as people read it."""
        return (
            f"-- order: {self.source} BY _key, _event_time_ms, lateness {self.lateness_ms} ms -> {self.target},"
            f" all of it after {self.quiet_ms} ms of silence, state {self.uid}"
        )


@dataclass(frozen=True)
class KernelStep:
    """The window kernel between two views: what SQL cannot say.

    Attributes:
        source: The view it reads; it exists.
        target: The view that it makes.
        spec: What it computes, as JSON.
        records: What leaves of it, as JSON.
        uid: Name of its state.
        seed: Without state: URI of the folder of what it needs to go on; empty: it begins with nothing.
    """

    source: str
    target: str
    spec: str
    records: str
    uid: str
    seed: str = ""

    @property
    def text(self) -> str:
        """The step as people read it."""
        return f"-- kernel: {self.source} BY _key -> {self.target}, state {self.uid}\n-- {self.spec}\n-- {self.records}"


Step = str | SourceStep | OrderStep | KernelStep
"""A statement, or what SQL cannot say."""


@dataclass(frozen=True)
class JobPlan:
    """What one job runs.

    Attributes:
        group: Name of the job.
        views: The views it computes.
        functions: Statements that name the Java functions.
        inputs: The statement that makes the view of what the kernels read.
        orders: For kernels that read events in the order of their times; one for each lateness.
        kernels: One a view.
        insert: The statement that runs.
        digest: Twelve hexadecimal digits of all that decides about the job's state.
    """

    group: str
    views: tuple[View, ...]
    functions: tuple[str, ...]
    inputs: str
    orders: tuple[OrderStep, ...]
    kernels: tuple[KernelStep, ...]
    insert: str
    digest: str
    topics: GroupTopics

    def steps(self, kafka: KafkaTables, seam: Seam | None = None) -> tuple[Step, ...]:
        """Return everything that runs, in order; the last one is the INSERT.

        Args:
            kafka: Where from and where to.
            seam: Where a start without state goes on from; None: it begins with the topic.
        """
        read = (_source(self, kafka, seam), _sink(self, kafka), self.inputs)
        if seam is None:
            return (*self.functions, *read, *self.orders, *self.kernels, self.insert)
        counted = seam.offsets if seam.begin else {}
        orders = (replace(order, after_ms=seam.newest_ms, counted=counted) for order in self.orders)
        seeds = (f"{seam.folder}/{view.name}" for view in self.views)
        kernels = (replace(kernel, seed=seed) for kernel, seed in zip(self.kernels, seeds, strict=True))
        return (*self.functions, *read, *orders, *kernels, self.insert)

    def statements(self, kafka: KafkaTables) -> tuple[str, ...]:
        """Return the steps as people read them."""
        return tuple(step if isinstance(step, str) else step.text for step in self.steps(kafka))


def plan_groups(views: Sequence[View], topics: GroupTopics | None = None) -> dict[str, JobPlan]:
    """Return one plan for each pair of event and key, by group name."""
    groups: dict[str, list[View]] = {}
    for view in views:
        groups.setdefault(view.group, []).append(view)
    return {group: plan_job(members, topics or GroupTopics()) for group, members in sorted(groups.items())}


def plan_job(views: Sequence[View], topics: GroupTopics) -> JobPlan:
    """Return the plan of the job that computes these views, which share their event and key.

    Raises:
        DeclarationError: They read more values of the event than the kernel can mark as null.
    """
    views = sorted(views, key=lambda view: view.name)
    inputs = tuple(dict.fromkeys(entry for view in views for entry in view.inputs))
    functions = tuple(f"CREATE TEMPORARY FUNCTION {name} AS '{java}'" for name, java in _FUNCTIONS.items())
    read, orders = _inputs(views[0], inputs), _orders(views)
    kernels, insert = _kernels(views, inputs, topics), _insert(views, topics)
    # How rows are written does not touch the state: the job goes on with it in another encoding.
    as_json = [replace(view, encoding="json") for view in views]
    source = [_contract(views[0]), topics.of_event(views[0].contract)]
    ordered = (step.text for step in orders)
    computed = (step.text for step in _kernels(as_json, inputs, topics))
    content = json.dumps([*functions, *source, read, *ordered, *computed, _insert(as_json, topics)])
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return JobPlan(views[0].group, tuple(views), functions, read, orders, kernels, insert, digest, topics)


def _kernels(views: Sequence[View], inputs: tuple[Input, ...], topics: GroupTopics) -> tuple[KernelStep, ...]:
    return tuple(_kernel(view, inputs, topics, first=index == 0) for index, view in enumerate(views))


def _insert(views: Sequence[View], topics: GroupTopics) -> str:
    return "INSERT INTO records\n" + "\nUNION ALL\n".join(_leaving(view, topics) for view in views)


def _contract(view: View) -> str:
    return _json(parser_spec(view.contract))


def _inputs(view: View, inputs: Sequence[Input]) -> str:
    columns = [
        f"`_f_{view.contract.key}` AS `_key`",
        "`_record_key`",
        "`_letter`",
        "`_event_id`",
        "`_source_partition`",
        "`_source_offset`",
        "`_event_time_ms`",
        "`_ingested_at_ms`",
    ]
    for index, entry in enumerate(inputs):
        columns.append(f"{entry.derived.sql['flink'] if entry.derived else f'`_f_{entry.name}`'} AS `_input_{index}`")
    if view.contract.progress != view.contract.time:
        columns.append(f"`_f_{view.contract.progress}` AS `_progress_ms`")
    return f"CREATE TEMPORARY VIEW {_INPUTS} AS\nSELECT\n  {_lines(columns)}\nFROM {_EVENTS}"


def _kernel(view: View, inputs: tuple[Input, ...], topics: GroupTopics, *, first: bool) -> KernelStep:
    spec = kernel_spec(view, inputs, passes_letters=first)
    most = max((len(lane["columns"]) for lane in spec["lanes"]), default=0)
    if most > MOST_INPUTS:
        raise DeclarationError(
            f"{view.origin}: the view {view.name!r} keeps {most} values of its event",
            {"most": str(MOST_INPUTS)},
            "split the view in two",
        )
    source = _INPUTS if view.order == "arrival" else _in_order(view.lateness_ms)
    records = _json(record_spec(view, topics))
    return KernelStep(source, f"kernel_{view.name}", _json(spec), records, f"{view.name}-{view.digest}")


def _in_order(lateness_ms: int) -> str:
    return f"in_order_{lateness_ms}_ms"


def _orders(views: Sequence[View]) -> tuple[OrderStep, ...]:
    found: dict[int, OrderStep] = {}
    for view in views:
        if view.order == "event_time":
            key_type = view.contract.fields[view.key].type
            target = _in_order(view.lateness_ms)
            uid = f"{target}-{view.group}-{view.contract.digest}"
            found[view.lateness_ms] = OrderStep(_INPUTS, target, key_type, view.lateness_ms, view.quiet_ms, uid)
    return tuple(found.values())


def _leaving(view: View, topics: GroupTopics) -> str:
    value, expressions = "`_value`", expressions_of(view)
    if expressions:
        given = ["`_is_row`", value, *(column.compiled.sql["flink"] for column in expressions)]
        value = f"completed({_text(_json(record_spec(view, topics)))},\n  {_lines(given)})"
    return f"SELECT `_key`, {value}, `_topic`\nFROM `kernel_{view.name}`"


def _source(plan: JobPlan, kafka: KafkaTables, seam: Seam | None) -> SourceStep:
    view = plan.views[0]
    client = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": kafka.group_id,
        # Topics of another key are written in transactions; elsewhere it changes nothing.
        "isolation.level": "read_committed",
        **kafka.properties,
    }
    topic = plan.topics.of_event(view.contract)
    idle_ms = max((order.quiet_ms for order in plan.orders), default=0)
    offsets = {**seam.offsets, **seam.begin} if seam else {}
    uid = f"events-{view.contract.stream}"
    return SourceStep(topic, _EVENTS, _contract(view), client, kafka.bounded, idle_ms, offsets, uid, kafka.ends)


def _sink(plan: JobPlan, kafka: KafkaTables) -> str:
    topics = [plan.topics.of_view(view) for view in plan.views]
    topics += [plan.topics.late_events, plan.topics.duplicates, plan.topics.dead_letters]
    options = {
        **_connection(kafka),
        # With several topics the sink takes each record's own from the metadata column.
        "topic": ";".join(topics),
        "key.format": "raw",
        "key.fields": "key",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": kafka.transactional_id_prefix,
        "sink.transaction-naming-strategy": "pooling",
        **{f"properties.{name}": value for name, value in PRODUCER.items()},
    }
    return _table("records", ["`key` BYTES", "`value` BYTES", "`topic` STRING NOT NULL METADATA"], options)


def _connection(kafka: KafkaTables) -> dict[str, str]:
    properties = {f"properties.{name}": value for name, value in sorted(kafka.properties.items())}
    return {"connector": "kafka", "properties.bootstrap.servers": kafka.bootstrap_servers, **properties}


def _table(name: str, columns: Sequence[str], options: Mapping[str, str]) -> str:
    shown = _lines([f"{_text(key)} = {_text(value)}" for key, value in options.items()])
    return f"CREATE TEMPORARY TABLE {name} (\n  {_lines(columns)}\n) WITH (\n  {shown}\n)"


def _lines(parts: Sequence[str]) -> str:
    return ",\n  ".join(parts)


def _json(spec: Mapping[str, Any]) -> str:
    # Flink's SQL knows no escapes in a literal; JSON's own keep every character below U+0080.
    return json.dumps(spec, separators=(",", ":"))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
