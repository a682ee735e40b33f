"""A real Kafka broker: one KRaft node, broker and controller in one JVM, on the loopback address only."""

import base64
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.stack.errors import BrokerError
from headrace.stack.jars import fetch
from headrace.stack.java import COMPILE_LATER, java_command, stack_jar
from headrace.stack.logs import last_telling_line
from headrace.stack.ports import free_ports, is_open

HEAP_MEGABYTES = 512

# Every replication factor is 1: there is one broker. The numbers that differ from Kafka's own say why.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# A misspelt topic is an error, not a new topic.
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Flink's checkpoints hold transactions open: it may ask for 15 minutes. An abandoned one is looked for often.
transaction.max.timeout.ms=900000
transaction.abort.timed.out.transaction.cleanup.interval.ms=2000

# Few partitions of the internal topics start fast; one broker gains nothing from fifty.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# A broker that was killed registers again as soon as its old session has ended.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500

# Nothing is deleted by age: a replay of history carries old timestamps and would go as it comes.
log.retention.ms=-1
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216

num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
"""

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}{UTC} %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
logger.clients.name = org.apache.kafka.clients
logger.clients.level = warn
"""


@dataclass(frozen=True, slots=True)
class LocalBroker:
    """A running local broker.

    Attributes:
        bootstrap_servers: What clients connect to.
        pid: Process id of its JVM.
        log_file: What it printed.
    """

    bootstrap_servers: str
    pid: int
    log_file: Path


def broker_command(folder: Path, port: int, controller_port: int, *, extra: str = "") -> list[str]:
    """Write the broker's configuration and return the command that runs it.

    The process ends when its standard input does; a SIGTERM stops it in order.

    Args:
        folder: Holds configuration and data. The data folder is formatted by the first run.
        port: Port for clients.
        controller_port: Port that the broker uses to speak with itself.
        extra: More lines of configuration, which win over the others; `{port}` and `{controller_port}` stand for the
            ports.

    Raises:
        JarError: Jars are missing and cannot be fetched.
    """
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    text = _PROPERTIES.format(port=port, controller_port=controller_port, data=data)
    properties.write_text(text + extra.format(port=port, controller_port=controller_port))
    log4j = folder / "log4j2.properties"
    log4j.write_text(_LOG4J)
    classpath = ":".join(str(jar) for jar in [stack_jar(), *fetch(["kafka"])])
    options = [f"-Xmx{HEAP_MEGABYTES}m", "-Xms64m", "-XX:+UseSerialGC", "-Djava.awt.headless=true", *COMPILE_LATER]
    options.append(f"-Dlog4j2.configurationFile={log4j}")
    command = [str(java_command()), *options, "-cp", classpath, "headrace.Leash", "headrace.Broker"]
    return [*command, str(properties), str(data), _cluster_id(folder)]


@contextmanager
def local_broker(
    folder: Path, *, port: int | None = None, ready_seconds: float = 60, extra: str = ""
) -> Iterator[LocalBroker]:
    """Run a broker for as long as the block lasts, without a supervisor.

    Args:
        folder: Holds its configuration, data and log.
        port: Port for clients; a free one when None.
        ready_seconds: How long it may take to answer.
        extra: More lines of its configuration; see `broker_command`.

    Raises:
        BrokerError: It ended, or did not answer in time.
    """
    client_port, controller_port = free_ports(2)
    port = port or client_port
    log_file = folder / "broker.log"
    command = broker_command(folder, port, controller_port, extra=extra)
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await_port(process, port, log_file, ready_seconds)
        yield LocalBroker(f"127.0.0.1:{port}", process.pid, log_file)
    finally:
        stop_process(process, grace_seconds=20)
        if process.stdin:
            process.stdin.close()


def stop_process(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask a process to end with SIGTERM and kill it when it has not after the grace."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cluster_id(folder: Path) -> str:
    """Return a cluster id for a new data folder: Kafka wants 16 bytes as URL-safe base64."""
    name = uuid.uuid5(uuid.NAMESPACE_URL, folder.absolute().as_uri())
    text = base64.urlsafe_b64encode(name.bytes).decode().rstrip("=")
    # A leading dash would be read as an option of the format command.
    return text if not text.startswith("-") else f"A{text[1:]}"


def _await_port(process: subprocess.Popen[bytes], port: int, log_file: Path, ready_seconds: float) -> None:
    deadline = time.monotonic() + ready_seconds
    while not is_open(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BrokerError(
                f"the broker {f'ended with {process.returncode}' if process.poll() is not None else 'does not answer'}",
                {"log": str(log_file), "last": last_telling_line(log_file)},
                f"tail {log_file}",
            )
        time.sleep(0.05)
