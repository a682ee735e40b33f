"""Fixtures of all tests: a real broker and a real Valkey, in containers where an engine is, else as processes."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from headrace_ingestion.settings import KafkaConnection
from secure_listener import secure_listener

from headrace.stack.broker import local_broker, stop_process
from headrace.stack.ports import LOOPBACK, free_ports, is_open
from headrace.stack.topics import TopicSpec, ensure_topics

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE = "apache/kafka:4.1.1"
VALKEY_IMAGE = "valkey/valkey:8"
LONGEST = ("e2e", "examples", "streaming")
# A Java process of a test starts, does a little and ends: most of its time would go to compiling well.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no worker waits for another at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)
    if not os.environ.get("HEADRACE_TEST_FULL"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes long: HEADRACE_TEST_FULL=1 runs it"))


@dataclass(frozen=True)
class Broker:
    """A broker that is shared by the whole test session: make topics of your own, with names of your own."""

    bootstrap_servers: str
    secure_connection: KafkaConnection | None = None
    """Its listener with TLS and a login; None where the broker is a container."""

    @property
    def connection(self) -> KafkaConnection:
        """Connection settings of this broker."""
        return KafkaConnection(bootstrap_servers=self.bootstrap_servers)

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """Make a topic and return its name; nothing happens when it exists."""
        ensure_topics(self.connection, {name: TopicSpec(partitions=partitions, config={"retention.ms": "-1"})})
        return name

    def fresh_topic(self, prefix: str = "test", partitions: int = 1) -> str:
        """Make a topic that no other test uses and return its name."""
        return self.create_topic(f"{prefix}.{uuid.uuid4().hex[:10]}", partitions)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka broker, the same for the whole session."""
    if has_image(KAFKA_IMAGE):
        yield from _broker_in_a_container()
        return
    folder = tmp_path_factory.mktemp("broker")
    (secure_port,) = free_ports(1)
    extra, secure_connection = secure_listener(folder, secure_port)
    # Long, for a machine that runs other tests beside these.
    with local_broker(folder, extra=extra, ready_seconds=240) as running:
        yield Broker(running.bootstrap_servers, secure_connection)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey (or Redis), the same for the whole session; database 0 is emptied by nobody."""
    if has_image(VALKEY_IMAGE):
        yield from _valkey_in_a_container()
        return
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        pytest.skip(f"neither the image {VALKEY_IMAGE} nor valkey-server or redis-server is here")
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("valkey")
    command = [binary, "--port", str(port), "--bind", LOOPBACK, "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        await_port(port)
        yield f"redis://{LOOPBACK}:{port}/0"
    finally:
        stop_process(process, grace_seconds=5)


def has_image(image: str) -> bool:
    """Tell whether a container engine answers and holds the image; nothing is pulled."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        found = subprocess.run([docker, "image", "inspect", image], capture_output=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return False  # an engine that hangs is none
    return found.returncode == 0


def await_port(port: int, timeout_seconds: float = 30) -> None:
    """Return when the port of the loopback address accepts connections."""
    deadline = time.monotonic() + timeout_seconds
    while not is_open(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port} after {timeout_seconds:.0f} s")
        time.sleep(0.05)


def _broker_in_a_container() -> Iterator[Broker]:
    # The clean-up container of testcontainers is an image that may not be there; each container is stopped here.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    (port,) = free_ports(1)
    container = DockerContainer(KAFKA_IMAGE)
    _publish(container, 19092, port)
    for name, value in _container_settings(port).items():
        container.with_env(name, value)
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    with container:
        yield Broker(f"{LOOPBACK}:{port}")


def _publish(container: "DockerContainer", inner_port: int, port: int) -> None:
    # `with_bind_ports` knows no address, and a test's port is nobody else's business. The engine's API takes the pair.
    container.ports[f"{inner_port}/tcp"] = (LOOPBACK, port)  # type: ignore[assignment]


def _container_settings(port: int) -> dict[str, str]:
    # One setting drops all defaults of the image, so all are given. Two listeners: the broker calls itself on INTERNAL.
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "INTERNAL://:9092,EXTERNAL://:19092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://localhost:9092,EXTERNAL://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_MAX_TIMEOUT_MS": "900000",
        "KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS": "2000",
        "KAFKA_HEAP_OPTS": "-Xmx512m -Xms64m",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def _valkey_in_a_container() -> Iterator[str]:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    (port,) = free_ports(1)
    container = DockerContainer(VALKEY_IMAGE)
    _publish(container, 6379, port)
    # The engine's proxy accepts connections before Valkey does.
    container.waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    with container:
        yield f"redis://{LOOPBACK}:{port}/0"
