"""The parser against `tests/vectors/parse.json`, which the job's own parser is held to as well."""

from collections.abc import Iterator
from typing import Any

import pytest
from headrace_ingestion import Contract, Parsed, Refused, compile_parser
from headrace_ingestion.codec import parser_spec
from headrace_ingestion.errors import REASONS
from parse_vectors import VECTORS, record_of


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_a_record_is_read_as_the_vector_says(case: dict[str, Any]) -> None:
    result = compile_parser(Contract.model_validate(case["contract"]))(record_of(case))
    if isinstance(result, Refused):
        found: dict[str, Any] = {"reason": result.reason, "detail": result.detail}
    else:
        found = {"fields": result.fields, "event_id": result.event_id}
    # By representation: 1, 1.0 and true are equal in Python, and 0.0 and -0.0 too.
    assert repr(found) == repr(case["expect"])


def test_every_reason_has_a_vector() -> None:
    # A label is unmatched for what it is about, and a copy too large for its topic, whatever they hold.
    assert {case["expect"].get("reason") for case in VECTORS} - {None} == set(REASONS) - {"unmatched", "too_large"}


def texts_of(fields: list[dict[str, Any]]) -> Iterator[str]:
    for field in fields:
        yield from field["texts"].values()
        yield from texts_of(field.get("inner", []))


def test_every_detail_that_shows_a_number_is_in_the_specification_of_the_parser() -> None:
    for case in VECTORS:
        detail = case["expect"].get("detail", "")
        if "expects at least" in detail or ("expects at most" in detail and "characters" not in detail):
            spec = parser_spec(Contract.model_validate(case["contract"]))
            assert detail in list(texts_of(spec["fields"]))


def test_headers_name_the_contract_and_the_trace() -> None:
    case = VECTORS[0]
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    parse = compile_parser(Contract.model_validate(case["contract"]))

    def parsed(*headers: tuple[str, bytes | None]) -> Parsed:
        result = parse(record_of(case)._replace(headers=headers))
        assert isinstance(result, Parsed)
        return result

    assert parsed(("contract", b"call/1"), ("traceparent", trace.encode()))[2:4] == ("call/1", trace)
    assert parsed()[2:4] == ("call/2", None)
    assert parsed(("contract", b"label/1"), ("traceparent", b"00-1"))[2:4] == ("call/2", None)
    assert parsed(("contract", b"call/x"), ("traceparent", None))[2:4] == ("call/2", None)
    assert parsed().key == "s1"
    assert parsed().event_time_ms == 1_767_225_600_000


def test_more_than_five_hundred_levels_are_not_read() -> None:
    case = VECTORS[0]
    parse = compile_parser(Contract.model_validate(case["contract"]))
    deep = b'{"subscriber_id":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    assert parse(record_of(case)._replace(value=deep)) == Refused("not_json", "the value is not JSON")
