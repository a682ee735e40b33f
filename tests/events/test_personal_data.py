"""Personal data of a project: one secret for all that encodes, and clear values to ask with."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from as_typed import run
from headrace_features.online.row import OnlineRow, Order
from headrace_ingestion import DeclarationError, SettingsError
from headrace_ingestion.pii import PiiSecret, is_hash
from headrace_ingestion.testing import FakeBroker

import headrace
from headrace.events import Events
from headrace.events.importing import import_files
from headrace.features.online import open_online_store
from headrace.pii import project_secret, stored_key
from headrace.project import Project

RIDE = """\
name: ride
version: 1
key: rider
time: at
fields:
  rider: {type: string, pii: hash, pattern: "[a-z]+"}
  at:    {type: timestamp}
  card:  {type: string, pii: mask, required: false}
  price: {type: double}
"""
VIEW = """\
name: rider
source: ride
key: rider
features:
  - window: {of: price, over: [1h], take: [sum]}
ttl: 24h
"""
AT = "2026-01-31T12:00:00Z"


@pytest.fixture
def riders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose key is hashed, and no secret in the environment."""
    monkeypatch.delenv("HEADRACE_PII__SECRET", raising=False)
    for name, text in (("events/ride.yaml", RIDE), ("features/rider.yaml", VIEW), ("headrace.yaml", "name: a\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return headrace.open(tmp_path)


def test_the_secret_of_a_project_is_made_once_for_nobody_else_to_read(riders: Project) -> None:
    found: list[Any] = []
    makers = [threading.Thread(target=lambda: found.append(project_secret(riders))) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    file = riders.folders.pii_secret
    assert {one.hash("alice") for one in found} == {PiiSecret(file.read_text().strip()).hash("alice")}
    assert file.stat().st_mode & 0o777 == 0o600
    assert {*file.parent.iterdir()} == {file, riders.folders.pii_mark}


def test_a_secret_that_was_lost_or_changed_is_told_before_anybody_is_another_subject(riders: Project) -> None:
    project_secret(riders)
    file, mark = riders.folders.pii_secret, riders.folders.pii_mark
    secret = file.read_text()

    def refusal(project: Project) -> str:
        with pytest.raises(SettingsError) as refused:
            project_secret(project)
        return str(refused.value)

    advice = f"  known by:  {mark}\n  try:       the secret of before, or rm {mark} to begin anew with another"
    file.unlink()
    assert refusal(riders) == (
        "the secret for personal data is gone: everybody would be another subject\n"
        f"  secret:    {file} does not exist, HEADRACE_PII__SECRET is not set\n{advice}"
    )
    other = headrace.open(riders.folder, flags={"pii.secret": "0123456789abcdef"})
    assert refusal(other) == (
        "the secret for personal data is another one than before: everybody would be another subject\n"
        f"  secret:    HEADRACE_PII__SECRET\n{advice}"
    )
    file.write_bytes(b"\xff" * 32)
    assert refusal(riders).startswith("the secret for personal data cannot be read: it is no text in UTF-8\n")
    file.write_text(secret)
    assert project_secret(riders) is not None
    mark.unlink()
    assert project_secret(other) is not None
    assert refusal(riders).startswith("the secret for personal data is another one than before")


def test_with_other_brokers_no_secret_is_made(riders: Project) -> None:
    far = headrace.open(riders.folder, flags={"kafka.bootstrap_servers": "far:9092"})
    with pytest.raises(SettingsError) as refused:
        project_secret(far)
    assert str(refused.value) == (
        "there is no secret to hash personal data with\n"
        "  fields:    ride.rider\n"
        f"  file:      {riders.folders.pii_secret} does not exist\n"
        "  expected:  HEADRACE_PII__SECRET, at least 16 characters, the same for all producers of the project\n"
        "  try:       export HEADRACE_PII__SECRET=…, or pii_secret=… of the producer"
    )
    told = headrace.open(riders.folder, flags={"kafka.bootstrap_servers": "far:9092", "pii.secret": "0123456789abcdef"})
    assert stored_key(told, told.contracts["ride"], "rider", "alice") == PiiSecret("0123456789abcdef").hash("alice")


def test_sent_replayed_and_imported_events_have_one_hash(riders: Project) -> None:
    fake = FakeBroker()
    fake.create_topic("events.ride", 4)
    events = Events(riders, fake.transport())
    events.send("ride", {"rider": "alice", "at": AT, "price": 1.0, "card": "1234567890"})
    file = riders.folder / "past.jsonl"
    file.write_text(json.dumps({"rider": "alice", "at": AT, "price": 2.0}) + "\n")
    events.replay("ride", [file])
    import_files(riders, "ride", [file])
    hashed = stored_key(riders, riders.contracts["ride"], "rider", "alice")
    assert is_hash(hashed)
    assert {record.key.decode() for record in fake.records("events.ride") if record.key} == {hashed}
    assert riders.lake.sql("select rider, _key from events.ride").rows == [(hashed, hashed)]
    assert b"1234567890" not in b"".join(record.value or b"" for record in fake.records("events.ride"))
    assert events.check("ride", [file]).accepted == 1


def test_features_are_asked_for_by_the_clear_key_or_its_hash(riders: Project) -> None:
    hashed = json.loads(run(riders, "events", "hash", "ride", "rider", "alice", "--output", "json").stdout)["hash"]
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    view = riders.views["rider"]
    with open_online_store(riders) as store:
        values = OnlineRow.encode({"price_sum_1h": 3.0})
        store.write("rider", [OnlineRow(hashed, Order(0, now_ms, 0, 0), now_ms, view.digest, values)])
    for key in ("alice", hashed):
        answer = run(riders, "features", "get", "rider", key, "--output", "json")
        assert json.loads(answer.stdout)["values"] == {"price_sum_1h": 3.0}
    assert run(riders, "features", "get", "rider", "bob").exit_code == 1


def test_only_what_is_hashed_has_a_hash(riders: Project) -> None:
    assert run(riders, "events", "hash", "ride", "card", "1").stderr.rstrip() == (
        "NotHashedError: the field 'card' of the event 'ride' is not hashed\n"
        "  hashed:    rider\n"
        "  contract:  events/ride.yaml line 8\n"
        "  try:       headrace lake describe events.ride"
    )


def test_a_view_has_no_masked_key(riders: Project) -> None:
    event, view = riders.folder / "events" / "ride.yaml", riders.folder / "features" / "rider.yaml"
    event.write_text(RIDE.replace("pii: mask, required: false", "pii: mask"))
    view.write_text(VIEW.replace("key: rider", "key: card"))
    with pytest.raises(DeclarationError) as refused:
        _ = headrace.open(riders.folder).views
    assert str(refused.value).splitlines()[0] == (
        "features/rider.yaml line 3: 'key' names the field 'card', which is masked: many would be one"
    )
