"""Contracts: what can be declared, and what cannot."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.contract import Contract, Field, contract_as_dict, load_contracts
from headrace_ingestion.errors import DeclarationError
from pydantic import ValidationError

CALL = """\
name: call
version: 1
key: subscriber_id
time: started_at
fields:
  subscriber_id: {type: string, pii: hash}
  started_at:    {type: timestamp}
  duration_s:    {type: double, minimum: 0}
  country:       {type: string, pattern: "^[A-Z]{2}$"}
  device:        {type: string, required: false}
"""


def load(tmp_path: Path, text: str = CALL) -> Contract:
    path = tmp_path / "events" / "call.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return Contract.load(path, root=tmp_path)


def error_of(tmp_path: Path, old: str, new: str) -> str:
    assert old in CALL
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path, CALL.replace(old, new))
    return str(caught.value)


def test_a_contract_is_read_in_the_order_of_its_fields(tmp_path: Path) -> None:
    contract = load(tmp_path)
    assert list(contract.fields) == ["subscriber_id", "started_at", "duration_s", "country", "device"]
    assert contract.fields["subscriber_id"] == Field(type="string", pii="hash")
    assert contract.max_ahead == timedelta(minutes=5)
    assert contract.label == "call/1"
    assert contract.topic() == "events.call"
    assert contract.topic("team.") == "team.events.call"
    assert contract.place_of("duration_s") == "events/call.yaml line 8"


def test_a_contract_is_frozen(tmp_path: Path) -> None:
    contract: Any = load(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        contract.version = 2


def test_the_data_of_a_contract_is_read_back(tmp_path: Path) -> None:
    contract = load(tmp_path)
    assert Contract.model_validate(contract_as_dict(contract)).digest == contract.digest


def test_the_digest_is_that_of_what_is_demanded(contract_of: Callable[..., Contract]) -> None:
    contract = contract_of()
    assert len(contract.digest) == 12
    assert contract_of(description="a phone call").digest == contract.digest
    assert contract_of(max_ahead="300s").digest == contract.digest
    assert contract_of(max_ahead="6m").digest != contract.digest
    assert contract_of(fields=dict(reversed(contract_as_dict(contract)["fields"].items()))).digest != contract.digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "time: started_at",
            "time: startet",
            "events/call.yaml line 4: 'time' names the field 'startet', which the contract does not have\n"
            "  fields:  subscriber_id, started_at, duration_s, country, device\n"
            "  try:     time: started_at",
        ),
        (
            "time: started_at",
            "time: duration_s",
            "events/call.yaml line 4: 'time' is the field 'duration_s' of type double\n"
            "  types:  timestamp\n"
            "  try:    duration_s: {type: timestamp}",
        ),
        (
            "key: subscriber_id",
            "key: device",
            "events/call.yaml line 3: 'key' is the field 'device', which is not required\n"
            "  expected:  a required field\n"
            "  try:       device: {type: string}",
        ),
        (
            "key: subscriber_id",
            "key: duration_s",
            "events/call.yaml line 3: 'key' is the field 'duration_s' of type double\n"
            "  types:  string, int, long\n"
            "  try:    duration_s: {type: string}",
        ),
        (
            "device: ",
            "clock_ms: ",
            "events/call.yaml line 10: the field name 'clock_ms' is reserved: headrace writes a column of that name\n"
            "  reserved:  clock, clock_ms, declaration, emitted_at, emitted_at_ms, event_id, event_time, "
            "event_time_ms, generation, ingested_at, ingested_at_ms, revision, source_offset, source_partition\n"
            "  try:       call_clock_ms",
        ),
        (
            "device: ",
            "_device: ",
            "events/call.yaml line 10: '_device' is not a name\n"
            "  expected:  lower-case letters, digits and underscores, a letter first\n"
            "  try:       device",
        ),
        (
            "name: call",
            "name: Phone-Call",
            "events/call.yaml line 1: 'Phone-Call' is not a name\n"
            "  expected:  lower-case letters, digits and underscores, a letter first\n"
            "  try:       phone_call",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: dobule}",
            "events/call.yaml line 8: 'fields.duration_s.type' is 'dobule'\n"
            "  allowed:  string, bool, int, long, double, timestamp, enum, decimal, date, list, map, object\n"
            "  try:      double",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: double, minimum: 3, maximum: 2}",
            "events/call.yaml line 8: 'minimum' 3 is above 'maximum' 2\n"
            "  expected:  minimum <= maximum\n"
            "  try:       minimum: 2",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: int, minimum: 0.5}",
            "events/call.yaml line 8: 'minimum' of int is 0.5\n  expected:  an integer from -2147483648 to 2147483647",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: double, minimum: '0'}",
            "events/call.yaml line 8: '0' is not a number\n  expected:  a finite number\n  try:       0",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: double, pattern: x}",
            "events/call.yaml line 8: 'pattern' does not apply to the type double\n"
            "  applies to:  string\n"
            "  try:         remove pattern",
        ),
        (
            '{type: string, pattern: "^[A-Z]{2}$"}',
            "{type: string, values: [NO, 1]}",
            "events/call.yaml line 9: 'values' has 1\n"
            "  expected:  different values of the type string\n"
            "  try:       values: ['1']",
        ),
        (
            '{type: string, pattern: "^[A-Z]{2}$"}',
            "{type: string, values: []}",
            "events/call.yaml line 9: 'values' is empty or names a value twice\n"
            "  expected:  different values of the type string",
        ),
        (
            '"^[A-Z]{2}$"',
            '"(?i)no"',
            "events/call.yaml line 9: the pattern '(?i)no' has a group that starts with (? (look-around, flag, name)\n"
            "  expected:  a regular expression that Python, Java and RE2 read alike\n"
            "  try:       (?:…)",
        ),
        (
            "version: 1",
            "version: 0",
            "events/call.yaml line 2: 'version' is 0\n  expected:  greater than or equal to 1\n  try:       version: …",
        ),
        (
            "version: 1",
            "version: 1\nmax_ahead: 5",
            "events/call.yaml line 3: '5' is not a duration\n"
            "  units:  ms, s, m, h, d\n"
            "  try:    a whole number and a unit, such as 5m",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: decimal, precision: 5}",
            "events/call.yaml line 8: a field of the type decimal has no 'scale'\n  try:  scale: 2",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: decimal, precision: 2, scale: 5}",
            "events/call.yaml line 8: 'scale' 5 is above 'precision' 2\n"
            "  expected:  scale <= precision\n"
            "  try:       scale: 2",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: map, values: [a]}",
            "events/call.yaml line 8: 'values' of the type map are a list\n"
            "  expected:  a field, such as {type: string}\n"
            "  try:       values: {type: string}",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: enum, values: {type: string}}",
            "events/call.yaml line 8: 'values' of the type enum are a field\n  expected:  a list of texts",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: list, items: {type: int, default: 1}}",
            "events/call.yaml line 8: '[]' has a default, and only a field of the event itself can have one\n"
            "  instead:  required: false\n"
            "  try:      remove default",
        ),
        (
            "{type: double, minimum: 0}",
            "{type: double, minimum: 0, default: -1}",
            "events/call.yaml line 8: the default of 'duration_s' is one that the field refuses\n"
            "  why:  field 'duration_s' expects at least 0, got a value below it\n"
            "  try:  another default, or none",
        ),
        (
            "pii: hash}",
            "pii: hash, default: x}",
            "events/call.yaml line 3: 'key' is the field 'subscriber_id', which has a default\n"
            "  expected:  a required field\n"
            "  try:       subscriber_id: {type: string}",
        ),
        (
            "pii: hash",
            "pii: hsah",
            "events/call.yaml line 6: 'fields.subscriber_id.pii' is 'hsah'\n"
            "  allowed:  hash, mask, drop\n"
            "  try:      hash",
        ),
    ],
)
def test_a_wrong_contract_has_its_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert error_of(tmp_path, old, new) == message


def test_a_contract_without_fields_is_refused(contract_of: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError, match="'fields' is empty"):
        contract_of(fields={})


def test_all_contracts_of_a_folder_are_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(CALL)
    (tmp_path / "a.yaml").write_text(CALL.replace("name: call", "name: label"))
    assert list(load_contracts(tmp_path)) == ["label", "call"]
    assert load_contracts(tmp_path / "nowhere") == {}


def test_an_event_that_is_declared_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CALL)
    (tmp_path / "b.yaml").write_text(CALL)
    with pytest.raises(DeclarationError) as caught:
        load_contracts(tmp_path, root=tmp_path)
    assert str(caught.value) == (
        "b.yaml: the event 'call' is declared twice\n"
        "  first:     a.yaml\n"
        "  expected:  one contract an event\n"
        "  try:       rename or remove one of the two"
    )
