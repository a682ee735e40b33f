"""A writer that is killed, between the Parquet file and the commit and at any other moment: every record once."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from deltalake import DeltaTable
from headrace_lake import Lake, dead_letters_table, events_table, scores_table
from headrace_lake.delta_table import open_for_read
from headrace_lake.layout import table_folder
from headrace_lake.object_store import ObjectPlace
from headrace_lake.place import Place
from lake_records import CALL, call_record, json_record, new_producer, score_fields, send_by, until
from object_lake import fresh_lake, running_store

HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


@pytest.fixture
def prefix(broker: Any) -> str:
    """What stands before the topics of one test; they exist."""
    prefix = f"t{uuid4().hex[:8]}."
    broker.create_topic(events_table(CALL, prefix).topic, 2)
    broker.create_topic(scores_table("fraud", prefix).topic)
    broker.create_topic(dead_letters_table(prefix).topic)
    return prefix


class Writer:
    """A writer process that a test can stop, continue and kill."""

    def __init__(self, broker: Any, lake: Place, prefix: str) -> None:
        command = [sys.executable, str(HERE / "writer_process.py"), broker.bootstrap_servers, str(lake), prefix]
        if isinstance(lake, ObjectPlace) and lake.store.endpoint:
            command.append(lake.store.endpoint)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End the process as a power failure would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def load(broker: Any, prefix: str, seed: int) -> Iterator[Counter[str]]:
    """Send calls (some refused) and scores (some twice) until the block ends; count what was sent."""
    sent: Counter[str] = Counter()
    done = threading.Event()
    chance = random.Random(seed)

    def run() -> None:
        calls, scores = events_table(CALL, prefix).topic, scores_table("fraud", prefix).topic
        number = 0
        with new_producer(broker.connection) as producer:
            while not done.is_set():
                batch = range(number, number + 40)
                refused = {at for at in batch if chance.random() < 0.1}
                send_by(producer, calls, [call_record(at, duration_s=-1 if at in refused else 1) for at in batch], 2)
                twice = [*batch, *chance.choices(range(number + 40), k=10)]
                send_by(producer, scores, [json_record(scores, at, score_fields(at)) for at in twice])
                sent.update(calls=40 - len(refused), refused=len(refused), scores=40)
                number += 40
                done.wait(0.2)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        done.set()
        thread.join(60)


def counted(lake: Place) -> tuple[Counter[str], Counter[str]]:
    """Rows per table, and different records per table."""
    query = """
        select 'calls', count(*), count(distinct (_partition, _offset)) from events.call
        union all select 'refused', count(*), count(distinct (partition, "offset")) from ops.dead_letters
        union all select 'scores', count(*), count(distinct event_id) from scores.fraud"""
    specs = [events_table(CALL), scores_table("fraud"), dead_letters_table()]
    answer = Lake(lake, specs).sql(query).rows
    return Counter({name: rows for name, rows, _ in answer}), Counter({name: records for name, _, records in answer})


def finish(broker: Any, lake: Path, prefix: str, sent: Counter[str]) -> None:
    """Let one last writer store the rest, and compare."""
    last = Writer(broker, lake, prefix)
    try:
        until(lambda: counted(lake)[1] == sent, 60, lambda: (counted(lake), sent))
    finally:
        last.kill()
    assert counted(lake) == (sent, sent)


def test_a_writer_killed_at_random_moments_stores_every_record_once(broker: Any, tmp_path: Path, prefix: str) -> None:
    chance = random.Random(7)
    with load(broker, prefix, seed=7) as sent:
        for _ in range(3):
            writer = Writer(broker, tmp_path, prefix)
            before = sum(counted(tmp_path)[0].values())
            until(lambda before=before: sum(counted(tmp_path)[0].values()) > before)  # type: ignore[misc]  # bound now
            threading.Event().wait(chance.random())
            writer.kill()
    finish(broker, tmp_path, prefix, sent)


@pytest.mark.full
def test_a_writer_to_object_storage_killed_while_it_writes_stores_every_record_once(broker: Any, prefix: str) -> None:
    count = 2_000
    with running_store() as store, new_producer(broker.connection) as producer:
        lake = fresh_lake(store)
        topic, folder = events_table(CALL, prefix).topic, table_folder(lake, "events", "call")

        def version() -> int:
            handle = open_for_read(folder)
            return 0 if handle is None else handle.version()

        for start in range(0, count, 1_000):
            send_by(producer, topic, [call_record(at) for at in range(start, start + 1_000)], 2)
            before = version()
            writer = Writer(broker, lake, prefix)
            until(lambda before=before: version() > before, 60)  # type: ignore[misc]  # bound now
            writer.kill()
        last = Writer(broker, lake, prefix)
        try:
            until(lambda: counted(lake)[1]["calls"] == count, 60, lambda: counted(lake))
        finally:
            last.kill()
        rows, records = counted(lake)
        assert (rows["calls"], records["calls"]) == (count, count)


def test_a_writer_killed_between_the_parquet_file_and_the_commit_stores_every_record_once(
    broker: Any, tmp_path: Path, prefix: str
) -> None:
    folder = table_folder(tmp_path, "events", "call")
    with load(broker, prefix, seed=11) as sent:
        writer = Writer(broker, tmp_path, prefix)
        until(lambda: _is_caught_between(writer, folder), seconds=60)
        orphans = _orphans(folder)
        writer.kill()
    assert orphans
    finish(broker, tmp_path, prefix, sent)
    assert orphans <= _orphans(folder)


def _is_caught_between(writer: Writer, folder: Path) -> bool:
    """Stop the process; leave it standing if a Parquet file is there that no commit names, else let it go on."""
    writer.signal(signal.SIGSTOP)
    if (folder / "_delta_log").is_dir() and _orphans(folder):
        return True
    writer.signal(signal.SIGCONT)
    return False


def _orphans(folder: Path) -> set[str]:
    committed = {Path(uri).name for uri in DeltaTable(folder).file_uris()}
    return {path.name for path in folder.glob("*.parquet")} - committed
