"""Random declarations and events for the property suite, and how they go through DuckDB."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
from headrace_features.duckdb_compiler import CompiledSql, compile_view
from headrace_features.recompute import accept
from headrace_features.resolve import load_view
from headrace_features.seed import write_seed
from headrace_features.view import View
from headrace_ingestion.contract import Contract
from hypothesis import strategies as st
from reference import Event, Expression, Rules

READING = Contract.model_validate(
    {
        "name": "reading",
        "version": 1,
        "key": "series",
        "time": "at",
        "fields": {
            "series": {"type": "string"},
            "at": {"type": "timestamp"},
            "x": {"type": "double", "required": False},
            "n": {"type": "long", "required": False},
            "i": {"type": "int", "required": False},
            "b": {"type": "bool", "required": False},
            "s": {"type": "string", "required": False},
            "lat": {"type": "double", "required": False},
            "lon": {"type": "double", "required": False},
        },
    }
)
START_MS = 1_767_225_600_000
_ARROW = pa.schema(
    [
        ("_key", pa.string()), ("event_id", pa.string()), ("_partition", pa.int32()), ("_offset", pa.int64()),
        ("event_time_ms", pa.int64()), ("ingested_at_ms", pa.int64()), ("_f_series", pa.string()),
        ("_f_at", pa.timestamp("us", "UTC")), ("_f_x", pa.float64()), ("_f_n", pa.int64()), ("_f_i", pa.int32()),
        ("_f_b", pa.bool_()), ("_f_s", pa.string()), ("_f_lat", pa.float64()), ("_f_lon", pa.float64()),
    ]
)  # fmt: skip


def load_declaration(declaration: Mapping[str, Any], folder: Path, contract: Contract = READING) -> View:
    """Return the view that the mapping declares."""
    file = folder / "view.yaml"
    file.write_text(json.dumps(declaration))
    return load_view(file, {contract.name: contract}, root=folder)


# Name → SQL, and the same in Python; null in, null out unless it says otherwise.
def _null_safe(function: Any, *names: str) -> Expression:
    def evaluate(values: Mapping[str, Any]) -> Any:
        given = [values[name] for name in names]
        return None if any(value is None for value in given) else function(*given)

    return evaluate


DERIVED: dict[str, tuple[str, Expression]] = {
    "d_double": ("x * 2 + i", _null_safe(lambda x, i: x * 2 + i, "x", "i")),
    "d_quotient": ("1 / i", _null_safe(lambda i: 1 / i if i else None, "i")),
    "d_large": ("exp(i * 100)", _null_safe(lambda i: _exp(float(i) * 100), "i")),
    "d_bool": ("s <> 'a'", _null_safe(lambda s: s != "a", "s")),
    "d_zero": ("x * 0", _null_safe(lambda x: x * 0, "x")),
    "d_far": ("d_large > 5", _null_safe(lambda large: large > 5, "d_large")),
    "d_text": ("coalesce(s, 'none')", lambda values: values["s"] if values["s"] is not None else "none"),
}


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


EXPRESSIONS: dict[str, tuple[str, Expression]] = {
    "e_input": ("x", lambda values: values["x"]),
    "e_whole": ("i + 1", _null_safe(lambda i: float(i + 1), "i")),
    "e_same": ("b", lambda values: values["b"]),
    "e_case": (
        "case when i > 0 and x > 0 then 'up' when i > 0 then 'else' end",
        lambda v: None if v["i"] is None or v["i"] <= 0 else "up" if v["x"] is not None and v["x"] > 0 else "else",
    ),
    "e_ratio": (
        "x_sum_100ms / (x_count_100ms + 1)",
        _null_safe(lambda total, count: total / (count + 1), "x_sum_100ms", "x_count_100ms"),
    ),
    "e_spread": (
        "x_std_100ms / x_mean_100ms",
        _null_safe(lambda std, mean: std / mean if mean else None, "x_std_100ms", "x_mean_100ms"),
    ),
    "e_above": ("x > x_mean_100ms", _null_safe(lambda x, mean: x > mean, "x", "x_mean_100ms")),
    "e_least": (
        "least(x_mean_100ms, x_mean_1s)",
        _null_safe(lambda a, b: min(a, b), "x_mean_100ms", "x_mean_1s"),
    ),
    "e_of_e": ("e_least + 1", _null_safe(lambda least: least + 1, "e_least")),
}
_BASE_WINDOW = {"window": {"of": ["x"], "over": ["100ms", "1s"], "take": ["count", "sum", "mean", "std"]}}

_OVERS = st.sampled_from(["1ms", "10ms", "100ms", "1s", "3s", "1 rows", "2 rows", "7 rows", "40 rows"])
_STATISTICS = st.sampled_from(
    [
        "count",
        "sum",
        "mean",
        "std",
        "min",
        "max",
        "range",
        "first",
        "last",
        "distinct",
        "median",
        "p25",
        "p99.9",
        "skew",
        "slope",
    ]
)
_OF_TEXT = {"count", "distinct", "first", "last"}
_PIECES = ["minute_of_day", "hour", "day_of_week", "day", "week", "day_of_year", "month", "quarter"]
_SPANS = st.sampled_from(["1ms", "10ms", "100ms", "1s", "3s"])
_ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])


def _lists(elements: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=1, max_size=most, unique=True)


@st.composite
def declarations(draw: st.DrawFn) -> tuple[dict[str, Any], Rules]:
    """Declarations over READING without a name declared twice, and the same for the reference."""
    derived = draw(st.lists(st.sampled_from(list(DERIVED)), max_size=3, unique=True))
    if "d_far" in derived:
        derived = [*(name for name in derived if name not in ("d_large", "d_far")), "d_large", "d_far"]
    numbers = ["x", "n", "i", "b", *(name for name in derived if name != "d_text")]
    values = _Values(numbers, [*numbers, "s", *(name for name in derived if name == "d_text")])
    features: list[dict[str, Any]] = [_BASE_WINDOW] if draw(st.booleans()) else []
    filters = st.sampled_from([None, None, "b", *(name for name in derived if name in _CONDITIONS)])
    taken = {(of, over, take, False, None) for of in ["x"] for over in ["100ms", "1s"] for take in _BASE_TAKEN}
    for _ in range(draw(st.integers(0, 3))):
        window = draw(_windows(values, filters))
        of, where = window["of"][0], window.get("where")
        wanted = {
            (of, over, take, window["exclude_current"], where) for over in window["over"] for take in window["take"]
        }
        if not wanted & taken:
            taken |= wanted
            features.append({"window": window})
    for kind in draw(st.lists(st.sampled_from(list(_OTHERS)), max_size=5, unique=True)):
        features.append({kind: draw(_OTHERS[kind](values, filters))})
    if not features:
        features.append({"since_last": {}})
    names = list(EXPRESSIONS) if features[0] is _BASE_WINDOW else ["e_input", "e_whole", "e_same", "e_case"]
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    if "e_of_e" in chosen:
        chosen = [*(name for name in chosen if name not in ("e_least", "e_of_e")), "e_least", "e_of_e"]
    dedup_ms = draw(st.sampled_from([0, 10, 100, 5000]))
    retain_ms = draw(st.sampled_from([3000, 5000, 60_000, 31_536_000_000]))
    lateness_ms = draw(st.sampled_from([None, None, 0, 100, 2000]))
    declaration = {
        "name": "random",
        "source": "reading",
        "key": "series",
        "derive": {name: DERIVED[name][0] for name in derived},
        "features": [*features, *({"expression": {"name": name, "sql": EXPRESSIONS[name][0]}} for name in chosen)],
        "ttl": "1h",
        "dedup": f"{dedup_ms}ms",
        "retain": f"{retain_ms}ms",
        **({} if lateness_ms is None else {"order": "event_time", "lateness": f"{lateness_ms}ms"}),
    }
    rules = Rules(
        features,
        dedup_ms,
        retain_ms,
        {name: DERIVED[name][1] for name in derived},
        {name: EXPRESSIONS[name][1] for name in chosen},
        lateness_ms,
    )
    return declaration, rules


@dataclass(frozen=True)
class _Values:
    """What features may read: numbers, and all values."""

    numbers: list[str]
    all: list[str]


_CONDITIONS = ("d_bool", "d_far")
_Filters = st.SearchStrategy[str | None]
_BASE_TAKEN = ["count", "sum", "mean", "std"]


def _filtered(part: dict[str, Any], where: str | None) -> dict[str, Any]:
    return part | ({"where": where} if where else {})


@st.composite
def _windows(draw: st.DrawFn, values: _Values, filters: _Filters) -> dict[str, Any]:
    takes = draw(_lists(_STATISTICS, 4))
    of = draw(st.sampled_from(values.all if set(takes) <= _OF_TEXT else values.numbers))
    part = {"of": [of], "over": draw(_lists(_OVERS, 2)), "take": takes, "exclude_current": draw(st.booleans())}
    if of in values.numbers and draw(st.integers(0, 3)) == 0:
        part |= {
            "over": draw(_lists(_SPANS, 2)),
            "take": [*takes, "ewma"],
            "half_life": draw(st.sampled_from(["50ms", "1s"])),
        }
    elif draw(st.integers(0, 2)) == 0:
        of = draw(st.sampled_from(values.numbers))
        part |= {
            "of": [of],
            "over": draw(_lists(st.sampled_from(["100ms", "1s", "3s"]), 2)),
            "take": draw(_lists(st.sampled_from(["count", "sum", "mean", "std", "min", "max", "range"]), 4)),
            "resolution": draw(st.sampled_from(["7ms", "50ms", "99ms"])),
        }
    return _filtered(part, draw(filters))


@st.composite
def _lags(draw: st.DrawFn, values: _Values, filters: _Filters) -> dict[str, Any]:
    take = draw(_lists(st.sampled_from(["value", "difference", "ratio"]), 3))
    of = draw(_lists(st.sampled_from(values.all if take == ["value"] else values.numbers), 2))
    part: dict[str, Any] = {"of": of, "take": take}
    if draw(st.booleans()):
        part["steps"] = draw(_lists(st.integers(1, 5), 2))
    if "steps" not in part or draw(st.booleans()):
        part["ago"] = draw(_lists(_SPANS, 2))
    return _filtered(part, draw(filters))


def _over_values(
    of: str, **more: st.SearchStrategy[Any]
) -> Callable[[_Values, _Filters], st.SearchStrategy[dict[str, Any]]]:
    """Return a strategy of entries that have `of` and `over`, and further keys."""

    @st.composite
    def entry(draw: st.DrawFn, values: _Values, filters: _Filters) -> dict[str, Any]:
        part = {"of": [draw(st.sampled_from(getattr(values, of)))], "over": draw(_lists(_OVERS, 2))}
        part |= {name: draw(strategy) for name, strategy in more.items()}
        return _filtered(part, draw(filters))

    return entry


@st.composite
def _calendars(draw: st.DrawFn, values: _Values, filters: _Filters) -> dict[str, Any]:
    return {"take": draw(_lists(st.sampled_from(_PIECES), 8)), "zone": draw(_ZONES), "cyclic": draw(st.booleans())}


_OTHERS: dict[str, Callable[[_Values, _Filters], st.SearchStrategy[dict[str, Any]]]] = {
    "lag": _lags,
    "zscore": _over_values("numbers"),
    "fences": _over_values("numbers", k=st.sampled_from([1.5, 3.0])),
    "outlier": _over_values("numbers", policy=_lists(st.sampled_from(["flag", "cap", "log"]), 3)),
    "rarity": _over_values("all"),
    "baseline": _over_values("numbers", zone=_ZONES),
    "ratio": _over_values(
        "numbers",
        take=_lists(st.sampled_from(["count", "sum", "mean", "max", "median"]), 2),
        over=_lists(st.sampled_from(["1ms", "100ms", "1s", "2 rows", "7 rows"]), 2),
        per=st.just(["90 rows", "3s"]),
    ),
    "since_last": lambda values, filters: filters.map(lambda where: _filtered({}, where)),
    "calendar": _calendars,
    "distance": lambda values, filters: st.just({"name": "apart_km", "from": ["lat", "lon"], "to": ["lon", "lat"]}),
    "travel": lambda values, filters: st.just({"place": ["lat", "lon"]}),
}


_STEPS_MS = (
    [0] * 8 + [1, 9, 10, 11] * 2 + [50, 99, 100, 101] * 2 + [999, 1000, 1001, 3000, 3001, 5000, 5001, 60_001]
    + [2_592_000_000, -1, -50, -2000]
)  # fmt: skip
_SMALL_STEPS_MS = [0, 0, 0, 1, 9, 10, 11, 50, 99, 100, 101, 999]
_LONG_AGO_MS = START_MS - 20 * 31_536_000_000
"""A broker takes no record from the future, and many lists last for years."""
_BEHIND_MS = [0] * 8 + [-1, -50, -99, -100, -101, -1999, -2000, -2001]
_DOUBLES = [None, 0.0, 1.0, 1.0, 3.5, 1e-3, 1e16, -1e16]
_LONGS = [None, -3, 0, 1, 1, 3, 2**62 - 1, 2**62, 2**62 + 1]
_STRINGS = [None, "a", "a", "b", "", "ß'\"", "a\u0000b"]


def make_events(seed: int, count: int, keys: int, *, is_steady: bool = False) -> list[Event]:
    """Return events of a few keys, their offsets interleaved: ties, repeats, late ones, jumps beyond `retain`, nulls.

    Either each key has a time of its own, or all share one, behind which an event may be; a steady time is shared and
    makes small steps only.
    A smaller count gives the first of the same events, so that hypothesis can shrink.
    """
    random = Random(seed)
    times: dict[str, int] = {}
    share_a_clock = random.random() < 0.5 or is_steady
    steps_ms = _SMALL_STEPS_MS if is_steady else _STEPS_MS
    events: list[Event] = []
    for offset in range(count):
        key = f"k{random.randrange(keys)}"
        clock = "" if share_a_clock else key
        times[clock] = times.get(clock, START_MS + 3000) + random.choice(steps_ms)
        time_ms = times[clock] + (random.choice(_BEHIND_MS) if share_a_clock else 0)
        event_id = f"id-{offset}"
        if events and random.random() < 0.15:
            event_id = random.choice(events[-6:]).event_id
        values = {
            "x": random.choice([*_DOUBLES, random.uniform(-1e6, 1e6), random.uniform(0, 10)]),
            "n": random.choice(_LONGS),
            "i": random.choice([None, *range(-3, 9)]),
            "b": random.choice([None, True, False]),
            "s": random.choice(_STRINGS),
            "lat": random.choice([None, 0.0, 59.9139, random.uniform(-90, 90)]),
            "lon": random.choice([None, 10.7522, 10.7523, random.uniform(-180, 180)]),
        }
        events.append(Event(key, event_id, offset, time_ms, values))
    return events


def with_labels(events: Sequence[Event], seed: int) -> list[Event]:
    """Return the events, some of them labels that may be known only after a delay."""
    random = Random(seed)
    delays_ms = (0, 1, 400, 1000, 2999, 20_000)
    return [
        replace(event, time_ms=event.time_ms + random.choice(delays_ms), told_ms=event.time_ms)
        if random.random() < 0.2
        else event
        for event in events
    ]


def joined(lists: Iterable[list[Event]]) -> list[Event]:
    """Return lists of events after one another, in time too, as one; keys and ids of different lists differ."""
    events: list[Event] = []
    for number, one in enumerate(lists):
        later_ms = max((event.time_ms for event in events), default=_LONG_AGO_MS) - START_MS
        for event in one:
            key, event_id = f"{number}-{event.key}", f"{number}-{event.event_id}"
            told_ms = None if event.told_ms is None else event.told_ms + later_ms
            moved = replace(event, offset=len(events), time_ms=event.time_ms + later_ms, told_ms=told_ms)
            events.append(replace(moved, key=key, event_id=event_id))
    return events


def event_lists(count: int) -> st.SearchStrategy[list[Event]]:
    """Return a strategy of that many lists of up to 40 events, joined: one statement then checks as many cases."""
    one = st.builds(make_events, st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 3))
    return st.lists(one, min_size=count, max_size=count).map(joined)


def duckdb_rows(
    view: View, events: Sequence[Event], left_out: Collection[int] = ()
) -> tuple[CompiledSql, list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Return the statement with bounds, its rows, and the marks of each offset.

    Args:
        view: The view.
        events: The events.
        left_out: Offsets of those that were late.
    """
    table = _events_table([event for event in events if event.offset not in left_out])
    compiled = compile_view(view, with_bounds=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("events", table)
        accept(connection, "events", view)
        rows = connection.sql(compiled.sql).to_arrow_table().to_pylist()
        marks = connection.sql("SELECT * FROM marked").to_arrow_table().to_pylist()
    return compiled, rows, {mark["_offset"]: mark for mark in marks}


def seed_of(view: View, events: Sequence[Event], folder: Path) -> None:
    """Write what a job needs to go on behind these events."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("events", _events_table(events))
        accept(connection, "events", view)
        write_seed(connection, view, folder)


def _events_table(events: Iterable[Event]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "_key": e.key, "event_id": e.event_id, "_partition": 0, "_offset": e.offset, "event_time_ms": e.time_ms,
                "ingested_at_ms": e.time_ms, "_f_series": e.key, "_f_at": e.time_ms * 1000,
                **{f"_f_{name}": value for name, value in e.fields.items()},
            }
            for e in events
        ],
        schema=_ARROW,
    )  # fmt: skip
