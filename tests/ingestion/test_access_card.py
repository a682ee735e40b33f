"""The access card of a contract: what it may name, and what it leaves alone."""

from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import DeclarationError
from headrace_ingestion.rekeyed import RekeyedContract

CALL = """\
name: call
version: 1
key: subscriber_id
time: started_at
fields:
  subscriber_id: {type: string, values: [a, b]}
  started_at:    {type: timestamp}
  other_id:      {type: string}
  abroad:        {type: bool}
  device:        {type: string, required: false}
  kind:          {type: enum, values: [voice, data]}
  place:         {type: enum, values: [at home, away]}
  cells:         {type: list, items: {type: int}}
"""


def load(folder: Path, card: str) -> Contract:
    path = folder / "events" / "call.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(CALL + card)
    return Contract.load(path, root=folder)


def test_a_card_names_a_period_or_a_field_and_demands_nothing_of_records(tmp_path: Path) -> None:
    plain = load(tmp_path, "")
    for partition in ("month", "day", "hour", "abroad", "kind"):
        contract = load(tmp_path, f"access: {{partition: {partition}, sort: [device], readers: [the desk]}}\n")
        assert contract.access is not None
        assert contract.access.partition == partition
        assert contract.digest == plain.digest


def test_by_another_key_a_period_stays_and_what_belongs_to_the_first_key_does_not(tmp_path: Path) -> None:
    by_day: Any = RekeyedContract(load(tmp_path, "access: {partition: day, sort: [device]}\n"), "other_id")
    assert (by_day.access.partition, by_day.access.sort) == ("day", ())


NEEDS = "expected:  month, day, hour, or a bool, enum or string (not the key, no pii) with `values` of letters, digits,"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (
            "{partition: dya}",
            "events/call.yaml line 14: 'partition' names the field 'dya', which the contract does not have\n"
            "  fields:    abroad, kind\n"
            f"  {NEEDS} '_', '.' and '-'\n"
            "  try:       partition: day",
        ),
        ("{partition: device}", "'partition' names the field 'device', which cannot be one\n"),
        ("{partition: place}", "'partition' names the field 'place', which cannot be one\n"),
        ("{partition: subscriber_id}", "'partition' names the field 'subscriber_id', which cannot be one\n"),
        (
            "{sort: [devcie]}",
            "events/call.yaml line 14: 'sort' names the field 'devcie', which the contract does not have\n"
            "  fields:  subscriber_id, started_at, other_id, abroad, device, kind, place\n"
            "  try:     device",
        ),
        ("{sort: [cells]}", "'sort' names the field 'cells', which is a list\n"),
        ("{sort: [kind, kind]}", "'sort' names a field twice\n"),
    ],
)
def test_a_field_that_cannot_do_what_the_card_says_is_refused(tmp_path: Path, card: str, said: str) -> None:
    with pytest.raises(DeclarationError) as error:
        load(tmp_path, f"access: {card}\n")
    assert said in str(error.value)
