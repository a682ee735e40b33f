"""A lake on a store that speaks S3."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from headrace_lake.object_store import ObjectPlace, ObjectStore
from lake_records import until

from headrace.stack.broker import stop_process
from headrace.stack.ports import LOOPBACK, free_ports, is_open

BUCKET = "lakes"


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Run a store on this machine, with an empty bucket, as long as the block lasts."""
    (port,) = free_ports(1)
    # A process of its own: delta-rs keeps Python's lock during some of its requests, and a thread could not answer.
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_open(port), 60)
        store = local_store(f"http://{LOOPBACK}:{port}")
        store.files.call_s3("create_bucket", Bucket=BUCKET)
        yield store
    finally:
        stop_process(server, 10)


def local_store(endpoint: str) -> ObjectStore:
    """Return how a store of `running_store` is reached."""
    return ObjectStore(endpoint, "us-east-1", "writer", "s3cret")


def fresh_lake(store: ObjectStore) -> ObjectPlace:
    """A place in which nothing stands."""
    return ObjectPlace.of(f"s3://{BUCKET}/{uuid.uuid4().hex[:8]}", store)
