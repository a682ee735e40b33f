"""`headrace bench online`: writes and reads of the online stores, beside Feast's own push and its own stores."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from headrace_features.online.config import OnlineConfig, open_store
from headrace_features.online.lookup import get_online
from headrace_features.online.records import compile_reader
from headrace_features.online.store import GuardedStore
from headrace_features.view import View

from headrace.bench.errors import BenchError
from headrace.bench.online_feast import PUSH_SOURCE, STORES, Store, stock_feast
from headrace.bench.online_rows import batches, frame_of, key_of
from headrace.bench.training_set_data import Shape, make_project
from headrace.bench.valkey import IMAGE, PROGRAMS, local_valkey
from headrace.stack.ports import LOOPBACK

Who = Literal["headrace", "feast"]
Report = Callable[[str], None]
"""Called with a line about the progress."""

_NS_A_MS = 1e6
_COMPARED_KEYS = 200


@dataclass(frozen=True)
class OnlineBench:
    """What to measure.

    Attributes:
        rows: Rows that each writes in a round.
        keys: Keys that they are spread over, evenly.
        features: Columns of the view, doubles.
        rounds: How often each writes; they take turns.
        reads: Reads of each, one key at a time, in turn.
        stores: Kinds of store.
    """

    rows: int = 50_000
    keys: int = 10_000
    features: int = 20
    rounds: int = 5
    reads: int = 2_000
    stores: tuple[Store, ...] = STORES


@dataclass
class StoreResult:
    """What was measured on one kind of store.

    Attributes:
        write_rates: Who → rows a second, one a round.
        read_ms: Who → milliseconds of each read.
        equal_values: Values of both that were compared; none differed.
    """

    write_rates: dict[Who, list[float]] = field(default_factory=lambda: {"headrace": [], "feast": []})
    read_ms: dict[Who, list[float]] = field(default_factory=lambda: {"headrace": [], "feast": []})
    equal_values: int = 0


@dataclass(frozen=True)
class OnlineResult:
    """What was measured.

    Attributes:
        bench: What was asked for.
        stores: Kind of store → its figures.
        absent: Kind of store → why it was not measured.
    """

    bench: OnlineBench
    stores: dict[Store, StoreResult]
    absent: dict[Store, str]


@dataclass(frozen=True)
class _Arena:
    view: View
    ours: GuardedStore
    feast: Any


def bench_online(bench: OnlineBench, report: Report = lambda line: None) -> OnlineResult:
    """Measure in a temporary folder and on a Valkey server of its own; everything is gone afterwards.

    Raises:
        BenchError: The values that the two hold differ, or Feast's stores are not installed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="headrace-bench-")))
        project = make_project(folder / "project", Shape(bench.rows, 1, bench.features, bench.keys))
        view = project.views["view_1"]
        result = OnlineResult(bench, {}, {})
        for kind in bench.stores:
            port = stack.enter_context(local_valkey(folder)) if kind == "valkey" else None
            if kind == "valkey" and port is None:
                result.absent[kind] = f"neither {' nor '.join(PROGRAMS)} nor the image {IMAGE} is here"
                report(f"{kind} is left out: {result.absent[kind]}")
                continue
            with _arena(folder / kind, kind, view, port) as arena:
                result.stores[kind] = _measured(arena, kind, bench, report)
    return result


@contextmanager
def _arena(folder: Path, kind: Store, view: View, port: int | None) -> Iterator[_Arena]:
    config = (
        OnlineConfig("sqlite", path=folder / "headrace.db")
        if kind == "sqlite"
        # The other's keys do not begin like that, and no key of either is the other's.
        else OnlineConfig("valkey", url=f"redis://{LOOPBACK}:{port}/0", namespace="bench")
    )
    ours = open_store(config)
    try:
        yield _Arena(view, ours, stock_feast(folder / "feast", kind, view, port))
    finally:
        ours.close()


def _measured(arena: _Arena, kind: Store, bench: OnlineBench, report: Report) -> StoreResult:
    result = StoreResult()
    now_ms = time.time_ns() // 1_000_000 - bench.rows * bench.rounds
    for number in range(bench.rounds):
        rows = list(batches(arena.view, bench.rows, bench.keys, number * bench.rows, now_ms))
        turns: list[Who] = ["headrace", "feast"] if number % 2 == 0 else ["feast", "headrace"]
        for who in turns:
            seconds = _written(arena, who, rows)
            rate = bench.rows / seconds
            result.write_rates[who].append(rate)
            report(
                f"{kind:<7} round {number + 1} of {bench.rounds}  {who:<9} {rate:>10,.0f} rows/s over {seconds:.1f} s"
            )
    result.equal_values = _equal_values(arena, bench)
    for number in range(bench.reads):
        key = key_of(number * 7919 % bench.keys)
        for who in ("headrace", "feast") if number % 2 == 0 else ("feast", "headrace"):
            began_ns = time.perf_counter_ns()
            _read(arena, who, key)
            result.read_ms[who].append((time.perf_counter_ns() - began_ns) / _NS_A_MS)
    report(f"{kind:<7} {bench.reads:,} reads of each")
    return result


def _written(arena: _Arena, who: Who, rows: list[list[bytes]]) -> float:
    """Write all batches and return the seconds that took, from the records on, for both."""
    began = time.perf_counter()
    if who == "headrace":
        reader = compile_reader(arena.view)
        for records in rows:
            arena.ours.write(arena.view.name, reader(records).rows)
    else:
        for records in rows:
            arena.feast.push(PUSH_SOURCE, frame_of(arena.view, records))
    return time.perf_counter() - began


def _read(arena: _Arena, who: Who, key: str) -> dict[str, Any]:
    if who == "headrace":
        found = get_online(arena.ours, arena.view, key, datetime.now(UTC))
        return {} if found is None else dict(found.values)
    wanted = [f"{arena.view.name}:{column.name}" for column in arena.view.columns]
    answer = arena.feast.get_online_features(features=wanted, entity_rows=[{arena.view.key: key}]).to_dict()
    return {name: values[0] for name, values in answer.items() if name != arena.view.key}


def _equal_values(arena: _Arena, bench: OnlineBench) -> int:
    keys = [key_of(number) for number in range(min(_COMPARED_KEYS, bench.keys, bench.rows))]
    for key in keys:
        ours, others = _read(arena, "headrace", key), _read(arena, "feast", key)
        if ours != others or None in ours.values():
            raise BenchError(
                f"the stores hold different values of {key!r}",
                {"headrace": str(ours)[:200], "feast": str(others)[:200]},
                "headrace bench online --rows 10000",
            )
    return len(keys) * len(arena.view.columns)
