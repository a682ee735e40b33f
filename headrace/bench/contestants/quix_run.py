"""One worker process of the Quix Streams application: a stateful function per key, in one group with the others.

At-least-once, with changelog topics (its defaults): state survives a crash, rows may be written twice. It neither
checks contracts nor drops duplicates.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headrace.bench.contestants.quix_features import History
from headrace.bench.contestants.spec import RunSpec
from headrace.bench.errors import BenchError
from headrace.bench.project import result_topic
from headrace.stack.leash import hold_leash

if TYPE_CHECKING:
    from quixstreams.state import State

_IDLE_SECONDS = 5.0
_STATE = "history"


def feature_row(
    value: dict[str, Any], key: bytes, timestamp: int, headers: list[tuple[str, bytes]], state: "State[str, Any]"
) -> dict[str, Any]:
    """Return the feature row of one event, and keep what later ones need."""
    event_time_ms = round(datetime.fromisoformat(value["started_at"]).timestamp() * 1000)
    history = History.unpack(state.get_bytes(_STATE))
    features = history.add(event_time_ms, value["duration_s"])
    state.set_bytes(_STATE, history.pack())
    return {
        "event_id": dict(headers)["event_id"].decode(),
        "subscriber_id": value["subscriber_id"],
        "event_time_ms": event_time_ms,
        "clock_ms": history.clocks_ms[-1],
        "ingested_at_ms": timestamp,
        **features,
    }


def run(spec: RunSpec, worker: int) -> None:
    """Run one worker until no event has arrived for some seconds.

    Raises:
        BenchError: Quix Streams is not installed.
    """
    try:
        from quixstreams import Application
    except ModuleNotFoundError as error:
        raise BenchError(
            "Quix Streams is not installed",
            {"expected": "the dependency group bench"},
            "uv sync --group bench",
        ) from error

    application = Application(
        broker_address=spec.bootstrap_servers,
        consumer_group=f"{spec.prefix}quix",
        auto_offset_reset="earliest",
        # A folder a process: RocksDB locks it.
        state_dir=spec.state / str(worker),
        producer_extra_config={"compression.type": "lz4", "linger.ms": 5},
        loglevel="WARNING",
    )
    events = application.topic(spec.source, key_deserializer="bytes", value_deserializer="json")
    rows = application.topic(result_topic(spec.prefix), key_serializer="bytes", value_serializer="json")
    frame = application.dataframe(events)
    frame = frame.apply(feature_row, stateful=True, metadata=True)
    frame.to_topic(rows)
    application.run(timeout=_IDLE_SECONDS, collect=False)


def main(arguments: Sequence[str]) -> None:
    """Run the worker that the arguments describe: the run, and the worker's number."""
    hold_leash()
    run(RunSpec.from_json(arguments[0]), int(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
