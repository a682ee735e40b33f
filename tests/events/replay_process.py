"""A replay of dead letters, ten at a time, to be killed: `replay_process.py PROJECT BROKERS PREFIX`."""

import sys

from headrace_ingestion import Producer

import headrace
from headrace.events.dead_letters import Chosen, raw_letters
from headrace.events.fix_and_replay import FixAndReplay
from headrace.events.fixes import BySql

SQL = "abs(value) AS value"


def main(folder: str, brokers: str, prefix: str) -> None:
    """Replay the dead letters of `reading`."""
    project = headrace.open(folder, flags={"kafka.bootstrap_servers": brokers, "kafka.topic_prefix": prefix})
    contract = project.contracts["reading"]
    run = FixAndReplay(project.lake, contract, BySql(SQL, contract.fields), "a run to be killed", batch_letters=10)
    with Producer(contract, project.connection()) as producer:
        run.run(raw_letters(project.lake, Chosen("reading")), producer, lambda ids, since: set())


if __name__ == "__main__":
    main(*sys.argv[1:])
