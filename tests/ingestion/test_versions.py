"""Versions of a contract: which files hold them, and what a reader of one can read of another."""

import json
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import Contract, DeclarationError, Parsed, Refused, StoredRecord, compile_parser
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.compatibility import compare
from headrace_ingestion.contract import load_contracts
from headrace_ingestion.versions import load_versions

FIELDS: dict[str, Any] = {"key": {"type": "string"}, "at": {"type": "timestamp"}}
PRICE = {"type": "decimal", "precision": 6, "scale": 2}


def contract(version: int, fields: dict[str, Any], **more: Any) -> Contract:
    data = {"name": "order", "version": version, "key": "key", "time": "at", "fields": {**FIELDS, **fields}, **more}
    return Contract.model_validate(data)


def lines(**fields: Any) -> dict[str, Any]:
    return {"lines": {"type": "list", "items": {"type": "object", "fields": fields}}}


# Older fields, newer fields, and what is wrong: direction, field, problem.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str]]]] = {
    "nothing changed": ({"x": {"type": "int"}}, {"x": {"type": "int", "unit": "s"}}, []),
    "an optional field more": ({}, {"x": {"type": "int", "required": False}}, []),
    "a field with a default more": ({}, {"x": {"type": "int", "default": 0}}, []),
    "an optional field less": ({"x": {"type": "int", "required": False}}, {}, []),
    "a required field more": (
        {}, {"x": {"type": "int"}}, [("backward", "x", "order/2 requires it, order/1 does not have it")],
    ),
    "a required field less": (
        {"x": {"type": "int"}}, {}, [("forward", "x", "order/1 requires it, order/2 does not have it")],
    ),
    "a field becomes optional": (
        {"x": {"type": "int"}}, {"x": {"type": "int", "required": False}},
        [("forward", "x", "order/1 requires it, order/2 may leave it out")],
    ),
    "a field gets a default, which is always sent": ({"x": {"type": "int"}}, {"x": {"type": "int", "default": 1}}, []),
    "another type": (
        {"x": {"type": "int"}}, {"x": {"type": "string"}},
        [
            ("backward", "x", "order/1 sends int, order/2 reads string"),
            ("forward", "x", "order/2 sends string, order/1 reads int"),
            ("lake", "x", "a column never changes its type, here from int to string: give the field a new name"),
        ],
    ),
    "a wider number": (
        {"x": {"type": "int"}}, {"x": {"type": "long"}},
        [
            ("forward", "x", "order/2 sends long, order/1 reads int"),
            ("lake", "x", "a column never changes its type, here from int to long: give the field a new name"),
        ],
    ),
    "an enum becomes a text": (
        {"x": {"type": "enum", "values": ["a"]}}, {"x": {"type": "string"}},
        [("forward", "x", "order/2 sends any value, order/1 only 'a'")],
    ),
    "one more value of an enum": (
        {"x": {"type": "enum", "values": ["a"]}}, {"x": {"type": "enum", "values": ["a", "b"]}},
        [("forward", "x", "order/2 sends 'b', which order/1 does not have")],
    ),
    "a higher minimum": (
        {"x": {"type": "int", "minimum": 0}}, {"x": {"type": "int", "minimum": 5}},
        [("backward", "x", "minimum is 0 in order/1 and 5 in order/2")],
    ),
    "a maximum where none was": (
        {"x": {"type": "int"}}, {"x": {"type": "int", "maximum": 5}},
        [("backward", "x", "maximum is not given in order/1 and 5 in order/2")],
    ),
    "another pattern": (
        {"x": {"type": "string", "pattern": "a"}}, {"x": {"type": "string", "pattern": "b"}},
        [
            ("backward", "x", "pattern is a in order/1 and b in order/2"),
            ("forward", "x", "pattern is b in order/2 and a in order/1"),
        ],
    ),
    "more digits": (
        {"x": PRICE}, {"x": {**PRICE, "precision": 8}},
        [
            ("forward", "x", "order/2 sends decimal(8, 2), order/1 reads decimal(6, 2)"),
            (
                "lake", "x",
                "a column never changes its type, here from decimal(6, 2) to decimal(8, 2): give the field a new name",
            ),
        ],
    ),
    "a required field more in the items of a list": (
        lines(price=PRICE), lines(price=PRICE, count={"type": "int"}),
        [
            ("backward", "lines[].count", "order/2 requires it, order/1 does not have it"),
            (
                "lake", "lines",
                "a column never changes its type, here what is inside the list: give the field a new name",
            ),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_two_versions_cannot_read_of_each_other_is_named(case: str) -> None:
    older, newer, expected = CASES[case]
    found = compare(contract(1, older), contract(2, newer))
    assert [(one.direction, one.field, one.problem) for one in found] == expected


def test_key_time_and_the_span_ahead_are_compared_too() -> None:
    fields = {"other": {"type": "string"}}
    found = compare(contract(1, fields), contract(2, fields, key="other", max_ahead="1m"))
    assert [(one.direction, one.field, one.problem) for one in found] == [
        ("backward", "key", "order/1 has 'key', order/2 has 'other'"),
        ("backward", "max_ahead", "order/1 takes events up to 5m ahead, order/2 at most 1m"),
        ("forward", "key", "order/2 has 'other', order/1 has 'key'"),
    ]
    (same,) = compare(contract(1, {}), contract(1, {"x": {"type": "int", "required": False}}))
    assert (same.direction, same.problem) == ("version", "both are version 1 and demand different things")


VALUES: dict[str, Any] = {"int": 7, "string": "a", "decimal": "1.5", "enum": "a"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_what_is_called_compatible_is_read_and_the_rest_is_what_may_be_refused(case: str, direction: str) -> None:
    """A producer of one version sends the least and the most that it may; the parser of the other decides."""
    older, newer = contract(1, CASES[case][0]), contract(2, CASES[case][1])
    writer, reader = (older, newer) if direction == "backward" else (newer, older)
    encode, parse = compile_encoder(writer), compile_parser(reader)
    refused = []
    for fields in _extremes(writer):
        sent = encode({"key": "k", "at": "2026-01-01T00:00:00Z", **fields})
        headers = [("contract", writer.label.encode())]
        answer = parse(StoredRecord("events.order", 0, 0, -1, sent.key, sent.value, headers))
        refused.append(isinstance(answer, Refused))
    assert any(refused) is any(one.direction == direction for one in compare(older, newer)), fields


def _extremes(writer: Contract) -> list[dict[str, Any]]:
    own = {name: field for name, field in writer.fields.items() if name not in FIELDS}
    least = {name: _value(field, False) for name, field in own.items() if field.required and field.default is None}
    return [least, {name: _value(field, True) for name, field in own.items()}]


def _value(field: Any, is_most: bool) -> Any:
    """Return a value that the field takes: the smallest, or the largest."""
    if field.type == "list":
        return [{name: _value(one, is_most) for name, one in field.items.fields.items()}]
    if field.type == "object":
        return {name: _value(one, is_most) for name, one in field.fields.items()}
    if field.type in ("int", "long"):
        low, high = (-(2**31), 2**31 - 1) if field.type == "int" else (-(2**63), 2**63 - 1)
        return (field.maximum or high) if is_most else low if field.minimum is None else field.minimum
    if field.type == "decimal":
        return "9" * (field.precision - field.scale) + "." + "9" * field.scale if is_most else "0"
    if field.allowed:
        return field.allowed[-1 if is_most else 0]
    return field.pattern or ("something else" if is_most else "a")


def write(folder: Path, name: str, made: Contract) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(made.model_dump(mode="json", exclude_defaults=True)))


def test_earlier_versions_stand_in_files_of_their_own(tmp_path: Path) -> None:
    events = tmp_path / "events"
    write(events, "order.yaml", contract(12, {}))
    write(events, "order.v2.yaml", contract(2, {}))
    write(events, "order.v10.yaml", contract(10, {}))
    assert [one.version for one in load_versions(events)["order"]] == [2, 10, 12]
    assert load_contracts(events)["order"].version == 12


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        (
            "order.v1.yaml", 3,
            "events/order.v1.yaml declares 'order' version 3, and its name tells of another\n"
            "  expected:  order.v3.yaml\n"
            "  try:       mv order.v1.yaml order.v3.yaml",
        ),
        (
            "order.v4.yaml", 4,
            "events/order.v4.yaml is version 4, and the running one is version 4\n"
            "  running:   events/order.yaml\n"
            "  expected:  versions that count up\n"
            "  try:       version: 5",
        ),
    ],
)  # fmt: skip
def test_a_version_is_the_one_of_which_its_file_tells(tmp_path: Path, name: str, version: int, message: str) -> None:
    events = tmp_path / "events"
    write(events, "order.yaml", contract(4, {}))
    write(events, name, contract(version, {}))
    with pytest.raises(DeclarationError) as raised:
        load_versions(events, root=tmp_path)
    assert str(raised.value) == message


def test_old_and_new_producers_are_read_at_once() -> None:
    old = contract(1, {"gone": {"type": "int"}})
    new = contract(2, {"unit": {"type": "string", "default": "EUR"}})
    parse = compile_parser(new)
    units = []
    for made, fields in (
        (old, {"gone": 1}),
        (new, {"unit": "NOK"}),
        (contract(3, {"more": {"type": "bool"}}), {"more": True}),
    ):
        sent = compile_encoder(made)({"key": "k", "at": "2026-01-01T00:00:00Z", **fields})
        answer = parse(
            StoredRecord("events.order", 0, 0, -1, sent.key, sent.value, [("contract", made.label.encode())])
        )
        assert isinstance(answer, Parsed)
        units.append((answer.contract, answer.fields["unit"], len(answer.fields)))
    assert units == [("order/1", "EUR", 3), ("order/2", "NOK", 3), ("order/3", "EUR", 3)]
