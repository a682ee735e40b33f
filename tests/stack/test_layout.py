"""Which processes a project needs."""

from pathlib import Path

from headrace.settings import Settings
from headrace.settings.http import HttpSettings
from headrace.settings.upkeep import UpkeepSettings
from headrace.stack.layout import Declared, EmbeddedBroker, processes
from headrace.stack.spec import PortOpen, ProcessSpec, ReadyFile

PROJECT = Path("/projects/roaming")
GROUPS = ("call.device", "call.subscriber_id")
ALL = Declared(events=2, job_groups=GROUPS, rekeyed=1, views=3, models=("roaming_fraud",))


def layout(
    declared: Declared, broker: EmbeddedBroker | None, upkeep: UpkeepSettings | None = None
) -> dict[str, ProcessSpec]:
    """The processes by name."""
    settings = Settings(name="roaming", upkeep=upkeep or UpkeepSettings())
    environment = {"HEADRACE_LEASH": "1"}
    specs = processes(
        PROJECT, settings, declared, bootstrap_servers="127.0.0.1:9092", broker=broker, environment=environment
    )
    return {spec.name: spec for spec in specs}


def test_the_embedded_broker_comes_first_and_all_others_wait_for_it() -> None:
    found = layout(ALL, EmbeddedBroker(("java",), 9092))
    assert list(found) == [
        "kafka",
        "rekey",
        "job-call.device",
        "job-call.subscriber_id",
        "lake-writer",
        "lake-upkeep",
        "online-writer",
        "scorer-roaming_fraud",
    ]
    assert found["kafka"].ready == PortOpen(9092)
    assert {name: spec.depends_on for name, spec in found.items()} == {
        # Upkeep reads and writes tables alone.
        name: () if name in ("kafka", "lake-upkeep") else ("kafka",)
        for name in found
    }


def test_with_an_external_kafka_there_is_no_broker_to_wait_for() -> None:
    found = layout(ALL, None)
    assert "kafka" not in found
    assert all(spec.depends_on == () for spec in found.values())


def test_a_project_without_views_or_models_has_neither_online_writer_nor_scorer() -> None:
    assert list(layout(Declared(events=1), None)) == ["lake-writer", "lake-upkeep"]
    assert list(layout(Declared(), None)) == []


def test_all_sinks_are_one_process() -> None:
    assert list(layout(Declared(events=1, sinks=3), None)) == ["lake-writer", "lake-upkeep", "sinks"]


def test_upkeep_can_be_switched_off() -> None:
    assert list(layout(Declared(events=1), None, UpkeepSettings(enabled=False))) == ["lake-writer"]


def test_the_http_server_runs_only_when_it_is_asked_for() -> None:
    settings = Settings(name="roaming", http=HttpSettings(enabled=True, port=8123))
    found = processes(
        PROJECT, settings, ALL, bootstrap_servers="127.0.0.1:9092", broker=None, environment={"HEADRACE_LEASH": "1"}
    )
    (http,) = [spec for spec in found if spec.name == "http"]
    assert http.port == 8123
    assert http.ready == ReadyFile(PROJECT / ".headrace/run/http.ready")


def test_a_worker_is_told_its_project_its_name_and_its_brokers() -> None:
    job = layout(ALL, None)["job-call.device"]
    assert job.command[1:] == (
        "-m", "headrace.workers.job", "--project", "/projects/roaming", "--name", "job-call.device",
        "--group", "call.device",
    )  # fmt: skip
    assert job.environment == {"HEADRACE_LEASH": "1", "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9092"}
    assert job.ready == ReadyFile(PROJECT / ".headrace/run/job-call.device.ready")
