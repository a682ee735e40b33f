"""Two contestants in plain Flink SQL: a pass-through of the same width, and the features as stacked OVER windows."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace_features.view import KernelFeature, View
from headrace_streaming.plan import PRODUCER

_ROW_HEAD = {
    "event_id": "STRING",
    "event_time_ms": "BIGINT",
    "clock_ms": "BIGINT",
    "generation": "BIGINT",
    "source_partition": "INT",
    "source_offset": "BIGINT",
    "revision": "INT",
    "declaration": "STRING",
    "ingested_at_ms": "BIGINT",
    "emitted_at_ms": "BIGINT",
}
_SQL_TYPES = {"double": "DOUBLE", "long": "BIGINT", "int": "INT", "string": "STRING", "bool": "BOOLEAN"}
_STATISTICS = {"count": "COUNT", "sum": "SUM", "mean": "AVG", "std": "STDDEV_POP", "max": "MAX", "min": "MIN"}
_FIELDS = {
    "subscriber_id": "STRING",
    "duration_s": "DOUBLE",
    "home_country": "STRING",
    "country": "STRING",
    "device": "STRING",
}
_METADATA = {
    "_partition": "INT METADATA FROM 'partition' VIRTUAL",
    "_offset": "BIGINT METADATA FROM 'offset' VIRTUAL",
    "_timestamp": "TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
}
# Of a TIMESTAMP_LTZ in a session whose zone is UTC.
_EPOCH_MS = (
    "1000 * CAST(TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', CAST({0} AS TIMESTAMP(3))) AS BIGINT)"
    " + EXTRACT(MILLISECOND FROM {0})"
)


@dataclass(frozen=True)
class SqlTables:
    """Where the tables of a statement are.

    Attributes:
        bootstrap_servers: The broker.
        source: Topic of the events.
        sink: Topic of the rows.
        transactional_id_prefix: Of this run alone.
    """

    bootstrap_servers: str
    source: str
    sink: str
    transactional_id_prefix: str


def pass_through(view: View, tables: SqlTables) -> list[str]:
    """Return statements that read each event and write a row with the columns of the view, and compute nothing.

    The time stays text, and the sums, means and deviations are one multiplication, for numbers of as many digits.
    """
    source = _source(tables, {**_FIELDS, "started_at": "STRING"}, watermark=None)
    constant_ms = "1767225600000 + CAST(duration_s AS BIGINT)"
    head = {
        "event_id": "CONCAT('019b76e9-ea2c-7770-a194-', subscriber_id, country)",
        **dict.fromkeys(("event_time_ms", "clock_ms", "ingested_at_ms", "emitted_at_ms"), constant_ms),
        "source_partition": "`_partition`",
        "source_offset": "`_offset`",
    }
    columns = {column.name: _digits_alike(column, number) for number, column in enumerate(kernel_columns(view))}
    return [source, _sink(view, tables), _insert(view, {**head, **columns}, "events")]


def stacked_windows(view: View, tables: SqlTables) -> list[str]:
    """Return statements that compute the view's lags and windows over time as OVER aggregates, a layer for each frame.

    All OVER aggregates of one query must share a frame, hence the layers; the order is event time.
    """
    source = _source(tables, {**_FIELDS, "started_at": "TIMESTAMP_LTZ(3)"}, watermark="started_at")
    statements = [source, _sink(view, tables)]
    below = "events"
    for number, layer in enumerate(_layers(view)):
        aggregates = ",\n  ".join(f"{sql} AS `{name}`" for name, sql in layer.items())
        statements.append(f"CREATE TEMPORARY VIEW layer_{number} AS\nSELECT *,\n  {aggregates}\nFROM {below}")
        below = f"layer_{number}"
    event_ms = _EPOCH_MS.format("started_at")
    head = {
        "event_id": "CONCAT('019b76e9-ea2c-7770-a194-', subscriber_id, country)",
        **dict.fromkeys(("event_time_ms", "clock_ms"), event_ms),
        **dict.fromkeys(("ingested_at_ms", "emitted_at_ms"), _EPOCH_MS.format("`_timestamp`")),
        "source_partition": "`_partition`",
        "source_offset": "`_offset`",
    }
    columns = {column.name: f"`{column.name}`" for column in kernel_columns(view)}
    return [*statements, _insert(view, {**head, **columns}, below)]


def kernel_columns(view: View) -> list[KernelFeature]:
    """Return the columns of the view, which the kernel computes all."""
    return [column for column in view.columns if isinstance(column, KernelFeature)]


def _layers(view: View) -> list[dict[str, str]]:
    columns = kernel_columns(view)
    partition = f"PARTITION BY {view.key} ORDER BY started_at"
    layers = [{c.name: f"LAG({c.of}, {c.steps}) OVER ({partition})" for c in columns if c.operation == "lag"}]
    for length_ms in dict.fromkeys(c.over.length_ms for c in columns if c.over):
        # A RANGE frame holds its lower end; a window of the semantics does not: one millisecond less.
        frame = f"OVER ({partition} RANGE BETWEEN {_interval(length_ms - 1)} PRECEDING AND CURRENT ROW)"
        layers.append(
            {
                c.name: f"{_STATISTICS[c.operation]}({c.of}) {frame}"
                for c in columns
                if c.over and c.over.length_ms == length_ms
            }
        )
    return layers


def _interval(length_ms: int) -> str:
    minutes, milliseconds = divmod(length_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"INTERVAL '{days} {hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}' DAY TO SECOND(3)"


def _digits_alike(column: KernelFeature, number: int) -> str:
    if column.type == "long":
        return "CAST(duration_s AS BIGINT)"
    if column.operation in ("lag", "max", "min"):
        return "duration_s"
    return f"duration_s * {number + 1}.37e0"


def _source(tables: SqlTables, fields: Mapping[str, str], watermark: str | None) -> str:
    options = {
        "connector": "kafka",
        "properties.bootstrap.servers": tables.bootstrap_servers,
        "topic": tables.source,
        "format": "json",
        "json.timestamp-format.standard": "ISO-8601",
        "scan.startup.mode": "earliest-offset",
        "scan.bounded.mode": "latest-offset",
    }
    columns = [f"`{name}` {kind}" for name, kind in {**fields, **_METADATA}.items()]
    if watermark:
        columns.append(f"WATERMARK FOR {watermark} AS {watermark}")
    return _table("events", columns, options)


def _sink(view: View, tables: SqlTables) -> str:
    options = {
        "connector": "kafka",
        "properties.bootstrap.servers": tables.bootstrap_servers,
        "topic": tables.sink,
        "key.format": "raw",
        "key.fields": view.key,
        "value.format": "json",
        # As the feature job's own sink.
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": tables.transactional_id_prefix,
        "sink.transaction-naming-strategy": "pooling",
        **{f"properties.{name}": value for name, value in PRODUCER.items()},
    }
    return _table("records", [f"`{name}` {kind}" for name, kind in _row_types(view).items()], options)


def _row_types(view: View) -> dict[str, str]:
    features = {column.name: _SQL_TYPES[column.type] for column in kernel_columns(view)}
    return {view.key: "STRING", **_ROW_HEAD, **features}


def _insert(view: View, values: Mapping[str, str], table: str) -> str:
    given = {
        "generation": "CAST(0 AS BIGINT)",
        "revision": "0",
        "declaration": f"'{view.digest}'",
        view.key: view.key,
        **values,
    }
    columns = ",\n  ".join(given[name] for name in _row_types(view))
    return f"INSERT INTO records\nSELECT\n  {columns}\nFROM {table}"


def _table(name: str, columns: list[str], options: Mapping[str, str]) -> str:
    shown = ",\n  ".join(f"'{key}' = '{value}'" for key, value in options.items())
    defined = ",\n  ".join(columns)
    return f"CREATE TEMPORARY TABLE {name} (\n  {defined}\n) WITH (\n  {shown}\n)"
