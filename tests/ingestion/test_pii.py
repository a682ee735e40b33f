"""Personal data: covered where events are encoded, checked before, and the same everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import Contract, EventError, Parsed, PiiSecret, Producer, SettingsError, StoredRecord
from headrace_ingestion.codec import compile_encoder, compile_parser, parser_spec
from headrace_ingestion.compatibility import compare
from headrace_ingestion.errors import DeclarationError
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.pii import SECRET_VARIABLE, mask
from headrace_ingestion.testing import FakeBroker

TEXT = "0123456789abcdef-for-tests"
SECRET = PiiSecret(TEXT)
# echo -n alice | openssl dgst -sha256 -hmac 0123456789abcdef-for-tests, the first 32 digits
ALICE = "fcf4157fd007288d88951d235f3790d9"
AT = "2026-01-31T12:00:00Z"


def ride(**fields: Any) -> Contract:
    """An event with a hashed key and more fields."""
    rider = {"type": "string", "pii": "hash", "pattern": "^[a-z]+$", "max_length": 12}
    given = {"rider": rider, "at": {"type": "timestamp"}, **fields}
    return Contract.model_validate({"name": "ride", "version": 1, "key": "rider", "time": "at", "fields": given})


def encoded(contract: Contract, **fields: Any) -> Any:
    """Key and value of a record."""
    found = compile_encoder(contract, SECRET)({"rider": "alice", "at": AT, **fields})
    return found.key.decode(), json.loads(found.value)


def test_a_hashed_key_is_the_key_of_the_record_and_its_field() -> None:
    key, value = encoded(ride())
    assert key == value["rider"] == ALICE


def test_a_hash_is_that_of_openssl_and_of_another_process() -> None:
    code = f"from headrace_ingestion import PiiSecret; print(PiiSecret({TEXT!r}).hash('alice'))"
    elsewhere = subprocess.run(
        [sys.executable, "-R", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert elsewhere.strip() == ALICE == SECRET.hash("alice")
    assert PiiSecret(TEXT + "!").hash("alice") != ALICE
    assert "012345" not in repr(SECRET)


def test_checks_hold_for_the_clear_value_which_no_message_shows() -> None:
    with pytest.raises(EventError) as refused:
        encoded(ride(), rider="Bob7")
    assert refused.value.detail == "field 'rider' expects the pattern ^[a-z]+$, got another text"
    assert "Bob7" not in str(refused.value)
    with pytest.raises(EventError) as refused:
        encoded(ride(), rider="a" * 13)
    assert refused.value.reason == "too_long"


def test_readers_take_the_hash_that_the_pattern_would_refuse() -> None:
    inside = {"type": "list", "items": {"type": "string", "pii": "hash", "max_length": 5}}
    contract = ride(friends=inside, card={"type": "string", "pii": "mask", "pattern": "[0-9]{16}"})
    sent = compile_encoder(contract, SECRET)(
        {"rider": "alice", "at": AT, "friends": ["bob", "alice"], "card": "1234567890123456"}
    )
    parsed = compile_parser(contract)(StoredRecord("events.ride", 0, 0, -1, sent.key, sent.value, ()))
    assert isinstance(parsed, Parsed)
    assert parsed.fields["friends"] == [SECRET.hash("bob"), ALICE]
    assert parsed.fields["card"] == "****3456"
    told = json.dumps(parser_spec(contract))
    assert "pattern" not in told
    assert "max_length" not in told


def test_values_inside_others_are_covered_and_dropped_ones_are_not_sent() -> None:
    place = {"type": "object", "fields": {"city": {"type": "string", "pii": "mask"}, "zip": {"type": "int"}}}
    names = {"type": "map", "values": {"type": "string", "pii": "hash"}}
    born = {"type": "date", "pii": "drop", "required": False}
    seen = {"type": "timestamp", "pii": "drop", "required": False}
    _, value = encoded(
        ride(place=place, names=names, born=born, seen=seen),
        place={"city": "Oslo", "zip": 1}, names={"a": "alice"}, born="1990-01-01", seen=AT,
    )  # fmt: skip
    assert value == {
        "rider": ALICE, "at": "2026-01-31T12:00:00.000Z", "place": {"city": "****", "zip": 1}, "names": {"a": ALICE},
    }  # fmt: skip


@pytest.mark.parametrize(("text", "masked"), [("", "****"), ("1234567", "****"), ("12345678", "****5678")])
def test_a_mask_leaves_four_characters_of_at_least_eight(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


def test_the_partition_follows_the_hash_and_a_producer_takes_its_secret_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeBroker()
    fake.create_topic("events.ride", 8)
    monkeypatch.setenv(SECRET_VARIABLE, TEXT)
    with Producer(ride(), transport=fake.transport()) as producer:
        producer.send("ride", {"rider": "alice", "at": AT})
        producer.flush()
    (record,) = fake.records("events.ride")
    assert (record.key, record.partition) == (ALICE.encode(), partition_of(ALICE.encode(), 8))


def test_a_producer_without_a_secret_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(SettingsError) as refused:
        Producer(ride(), transport=FakeBroker().transport())
    assert str(refused.value) == (
        "there is no secret to hash personal data with\n"
        "  fields:    rider\n"
        "  expected:  HEADRACE_PII__SECRET, at least 16 characters, the same for all producers of the project\n"
        "  try:       export HEADRACE_PII__SECRET=…, or pii_secret=… of the producer"
    )
    monkeypatch.setenv(SECRET_VARIABLE, "short")
    with pytest.raises(SettingsError, match="the secret for personal data has 5 characters"):
        Producer(ride(), transport=FakeBroker().transport())


RIDE = """\
name: ride
version: 1
key: rider
time: at
fields:
  rider: {type: string, pii: hash}
  at:    {type: timestamp}
"""


@pytest.mark.parametrize(
    ("rider", "failure"),
    [
        ("type: long, pii: hash", "'pii' is hash, which makes a text, and the field has the type long"),
        ("type: string, pii: mask", "'key' is the field 'rider' with pii: mask: many subjects would become one"),
        ("type: string, pii: drop", "'pii' is drop, and readers need a value of the field"),
        ("type: string, values: [a], pii: hash", "'pii' is hash, and the contract lists the values"),
    ],
)
def test_what_cannot_be_covered_is_refused_where_it_is_declared(tmp_path: Path, rider: str, failure: str) -> None:
    file = tmp_path / "ride.yaml"
    file.write_text(RIDE.replace("type: string, pii: hash", rider))
    with pytest.raises(DeclarationError) as refused:
        Contract.load(file, root=tmp_path)
    assert str(refused.value).splitlines()[0] == f"ride.yaml line 6: {failure}"


def test_versions_that_cover_differently_do_not_fit_into_one_table() -> None:
    older = Contract.model_validate(
        {"name": "ride", "version": 1, "key": "rider", "time": "at",
         "fields": {"rider": {"type": "string", "pattern": "^[a-z]+$"}, "at": {"type": "timestamp"}}}
    )  # fmt: skip
    newer = ride().model_copy(update={"version": 2})
    assert [(one.direction, one.field, one.problem) for one in compare(older, newer)] == [
        ("forward", "rider", "pattern is not given in ride/2 and ^[a-z]+$ in ride/1"),
        ("lake", "rider", "'pii' changes from not given to hash: the same value is stored as two"),
    ]


def test_what_was_hashed_is_kept_where_that_is_asked_for() -> None:
    again = PiiSecret(TEXT, keeps_hashes=True)
    assert (again.hash("alice"), again.hash(ALICE)) == (ALICE, ALICE)
    assert SECRET.hash(ALICE) != ALICE
