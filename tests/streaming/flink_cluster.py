"""A standalone Flink cluster of two processes, as containers run it: a job manager and a task manager."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from headrace.stack.broker import stop_process
from headrace.stack.jars import pyflink_jars
from headrace.stack.java import java_command
from headrace.stack.ports import LOOPBACK, free_ports

READY_SECONDS = 60
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of a Java process that starts, runs a small job and ends: most of its time would go to compiling well."""
# What scripts of Flink compute for a task manager; started without them, it wants to be told.
_TASK_MEMORY = {
    "taskmanager.cpu.cores": "2",
    "taskmanager.memory.task.heap.size": "256mb",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.network.min": "32mb",
    "taskmanager.memory.network.max": "32mb",
    "taskmanager.memory.managed.size": "32mb",
    "taskmanager.memory.framework.heap.size": "64mb",
    "taskmanager.memory.framework.off-heap.size": "64mb",
    "taskmanager.memory.jvm-metaspace.size": "128mb",
    "taskmanager.memory.jvm-overhead.min": "64mb",
    "taskmanager.memory.jvm-overhead.max": "64mb",
}


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """Run a cluster for as long as the block lasts and yield `host:port` of its REST interface."""
    rpc, rest = free_ports(2)
    addresses = {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": rpc,
        "jobmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": rest,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.numberOfTaskSlots": 4,
    }
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(addresses | _TASK_MEMORY))
    shipped = yaml.safe_load((pyflink_jars()[0].parents[1] / "conf" / "config.yaml").read_text())
    opened = shipped["env"]["java"]["opts"]["all"].split()
    java = [str(java_command()), "-Xmx512m", *SHORT_LIVED, *(o for o in opened if "jdk.compiler" not in o)]
    java += ["-cp", ":".join(map(str, pyflink_jars()))]
    with ExitStack() as stack:
        for name in ("entrypoint.StandaloneSessionClusterEntrypoint", "taskexecutor.TaskManagerRunner"):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            command = [*java, f"org.apache.flink.runtime.{name}", "--configDir", str(folder)]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(stop_process, process, grace_seconds=10)
        _await_slots(f"http://{LOOPBACK}:{rest}/overview", folder)
        yield f"{LOOPBACK}:{rest}"


def _await_slots(url: str, folder: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if json.load(answer)["slots-available"]:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.2)
    logs = "\n".join(log.read_text()[-3000:] for log in folder.glob("*.log"))
    raise AssertionError(f"no task manager within {READY_SECONDS} s:\n{logs}")
