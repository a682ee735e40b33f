"""Two backfills of one job keep out of each other's way; one without a broker says so."""

import subprocess
import sys
from pathlib import Path

import pytest
from headrace_features.resolve import load_view
from headrace_ingestion.contract import Contract
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.plan import JobPlan, plan_groups

import headrace
from headrace.features.backfill import BackfillError, alone, backfill
from headrace.stack.ports import free_ports

EVENT = """
name: call
version: 1
key: subscriber
time: at
fields: {subscriber: {type: string}, at: {type: timestamp}}
"""
CONTRACT = Contract.model_validate(
    {
        "name": "call",
        "version": 1,
        "key": "subscriber",
        "time": "at",
        "fields": {"subscriber": {"type": "string"}, "at": {"type": "timestamp"}},
    }
)
VIEW = "{name: calls, source: call, key: subscriber, features: [{since_last: {}}], ttl: 1h}"
_TAKE = (
    "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(1, flush=True); input()"
)


def plan_in(folder: Path) -> JobPlan:
    file = folder / "calls.yaml"
    file.write_text(VIEW)
    return plan_groups([load_view(file, {"call": CONTRACT}, root=folder)])["call.subscriber"]


def test_a_second_backfill_of_a_job_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    plan, state = plan_in(tmp_path), StateFolder(tmp_path / "call.subscriber", "0123")
    with alone(plan, state):
        pass
    lock = state.root / "backfill.lock"
    other = subprocess.Popen(
        [sys.executable, "-c", _TAKE, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with pytest.raises(BackfillError) as caught, alone(plan, state):
            pass
        assert str(caught.value) == (
            "the job call.subscriber is being backfilled by another process\n"
            f"  views:  calls\n  lock:   {lock}\n  try:    headrace logs job-call.subscriber"
        )
    finally:
        other.kill()
        other.wait()
    with alone(plan, state):
        pass


def test_a_backfill_without_a_broker_says_so(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    servers = f"127.0.0.1:{port}"
    for name, text in {
        "headrace.yaml": f"name: trial\nkafka: {{bootstrap_servers: '{servers}'}}\n",
        "events/call.yaml": EVENT,
        "features/calls.yaml": VIEW,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = headrace.open(tmp_path, environ={})
    plan = project.plans["call.subscriber"]
    with pytest.raises(BackfillError) as caught:
        backfill(project, plan, StateFolder(tmp_path / "state", "0123"))
    assert str(caught.value) == (
        f"features.calls could not be read: KafkaTimeoutError: Unable to bootstrap from ['{servers}']\n"
        f"  brokers:   {servers}\n  expected:  what the lake lacks of it\n  try:       headrace status"
    )
