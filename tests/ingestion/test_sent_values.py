"""Values as Python has them, for the types beside those of JSON."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from headrace_ingestion import Contract, EventError
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import contract_as_dict

AT = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
ORDER = Contract.model_validate(
    {
        "name": "order",
        "version": 1,
        "key": "customer",
        "time": "at",
        "fields": {
            "customer": {"type": "string"},
            "at": {"type": "timestamp"},
            "total": {"type": "decimal", "precision": 6, "scale": 2, "required": False},
            "born": {"type": "date", "required": False},
            "lines": {
                "type": "list",
                "required": False,
                "items": {"type": "object", "fields": {"count": {"type": "int"}, "packed": {"type": "timestamp"}}},
            },
            "prices": {"type": "map", "required": False, "values": {"type": "decimal", "precision": 4, "scale": 1}},
            "state": {"type": "enum", "values": ["new"], "default": "new"},
        },
    }
)
encode = compile_encoder(ORDER)
START = b'{"customer":"c1","at":"2026-01-01T10:00:00.000Z"'


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, b""),
        ({"total": Decimal("1.5")}, b'"total":"1.50",'),
        ({"total": Decimal("1E+3")}, b'"total":"1000.00",'),
        ({"total": -3}, b'"total":"-3.00",'),
        ({"born": dt.date(1969, 12, 31)}, b'"born":"1969-12-31",'),
        (
            {"lines": ({"count": 1, "packed": AT}, {"count": 2, "packed": "2026-01-01T00:00:00Z"})},
            b'"lines":[{"count":1,"packed":"2026-01-01T10:00:00.000Z"},{"count":2,"packed":"2026-01-01T00:00:00.000Z"}],',
        ),
        ({"prices": {"a": 2, "b": Decimal("0.5")}}, b'"prices":{"a":"2.0","b":"0.5"},'),
    ],
)
def test_values_of_python_are_written_in_the_form_of_the_wire(fields: dict[str, Any], written: bytes) -> None:
    assert encode({"customer": "c1", "at": AT, **fields}).value == START + b"," + written + b'"state":"new"}'


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"total": 1.5}, "field 'total' expects decimal (a text such as 12.50), got number"),
        ({"total": True}, "field 'total' expects decimal (a text such as 12.50), got bool"),
        ({"total": Decimal("NaN")}, "field 'total' expects decimal (a text such as 12.50), got string 'NaN'"),
        ({"total": Decimal("0.001")}, "field 'total' expects decimal(6, 2), got a value with more digits"),
        ({"born": AT}, "field 'born' expects date (YYYY-MM-DD), got datetime"),
        ({"lines": [{"count": 1e300, "packed": AT}]}, "field 'lines[].count' expects int, got number"),
        (
            {"lines": [{"count": 1, "packed": AT.replace(tzinfo=None)}]},
            "field 'lines[].packed' expects timestamp (an aware datetime, or RFC 3339 text with Z or an offset), "
            "got a datetime without a zone",
        ),
        ({"prices": {1: "1"}}, "field 'prices' expects texts as keys"),
        ({"prices": [("a", "1")]}, "field 'prices' expects map, got array"),
    ],
)
def test_what_would_be_changed_on_its_way_is_refused(fields: dict[str, Any], detail: str) -> None:
    with pytest.raises(EventError) as raised:
        encode({"customer": "c1", "at": AT, **fields})
    assert raised.value.detail == detail


def test_a_contract_with_every_type_is_the_same_after_it_was_plain_data() -> None:
    again = Contract.model_validate(contract_as_dict(ORDER))
    assert (again, again.digest) == (ORDER, ORDER.digest)
    for_people = contract_as_dict(ORDER)
    for_people["fields"]["total"] |= {"unit": "EUR", "tags": ["money"], "description": "with tax"}
    assert Contract.model_validate(for_people).digest == ORDER.digest
    stricter = contract_as_dict(ORDER)
    stricter["fields"]["lines"]["items"]["fields"]["count"]["minimum"] = 1
    assert Contract.model_validate(stricter).digest != ORDER.digest
