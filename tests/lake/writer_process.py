"""A lake writer as a process of its own, to be killed: `writer_process.py BROKERS LAKE PREFIX [ENDPOINT]`."""

import logging
import signal
import sys
import threading
from pathlib import Path

from headrace_ingestion.settings import KafkaConnection
from headrace_lake import FlushPolicy, LakeWriter, dead_letters_table, events_table, scores_table
from headrace_lake.object_store import ObjectPlace
from lake_records import CALL
from object_lake import local_store


def main(brokers: str, lake: str, prefix: str, endpoint: str | None = None) -> None:
    """Write until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    specs = [events_table(CALL, prefix, dead_letters_here=True), scores_table("fraud", prefix)]
    connection = KafkaConnection(bootstrap_servers=brokers)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    policy = FlushPolicy(interval_ms=200 if endpoint else 20, rows=1_000)
    place = ObjectPlace.of(lake, local_store(endpoint)) if endpoint else Path(lake)
    writer = LakeWriter(connection, place, [*specs, dead_letters_table(prefix)], policy)
    writer.run(stop, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
