"""A lake writer as a process of its own, to be killed: `writer_process.py BROKERS LAKE PREFIX`."""

import logging
import signal
import sys
import threading
from pathlib import Path

from headrace_ingestion.settings import KafkaConnection
from headrace_lake import FlushPolicy, LakeWriter, dead_letters_table, events_table, scores_table
from lake_records import CALL


def main(brokers: str, lake: str, prefix: str) -> None:
    """Write until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    specs = [events_table(CALL, prefix, dead_letters_here=True), scores_table("fraud", prefix)]
    connection = KafkaConnection(bootstrap_servers=brokers)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    policy = FlushPolicy(interval_ms=20, rows=1_000)
    writer = LakeWriter(connection, Path(lake), [*specs, dead_letters_table(prefix)], policy)
    writer.run(stop, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
