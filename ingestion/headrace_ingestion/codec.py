"""A contract → the function that encodes its events and the function that parses its records.

The rules are those of `docs/wire-format.md`: one JSON object, checks in a fixed order, the first that fails is the
reason. `tests/vectors/parse.json` holds this module and the job's own parser to the same reasons and details.
What the page leaves open:

- a number written with a fraction or an exponent is no `int` or `long`, however whole (`wrong_type`); a whole number
  beyond 64 bits is `out_of_range`; a number beyond a double is `out_of_range` where a double is expected;
- a lone surrogate anywhere in the text, a byte order mark and more than 1,000 levels are `not_json`;
- of a name that stands twice in an object the last value counts;
- a field that the contract does not name is refused in a record that says it was made by this version, or says
  nothing, and left out of one that another version made;
- the years 1970 to 9999 are those of the instant in UTC, not of the text;
- of a header that stands twice the last counts; one without a value is absent; a `contract` header that names another
  event, and a malformed `traceparent`, are taken as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import index
from typing import Any, Final, SupportsIndex

import orjson

from headrace_ingestion.checks import Way, accept_fields
from headrace_ingestion.contract import Contract
from headrace_ingestion.durations import duration_ms, format_duration
from headrace_ingestion.errors import EventError, Reason, closest
from headrace_ingestion.exact_json import may_be_deep, read_exactly
from headrace_ingestion.fields import Field
from headrace_ingestion.headers import event_headers, read_contract, read_event_id, read_trace
from headrace_ingestion.pii import PiiSecret, covers
from headrace_ingestion.records import Encoded, Parsed, Record, Refused
from headrace_ingestion.sent_values import sent_checks
from headrace_ingestion.timestamps import LATEST_MS, format_timestamp
from headrace_ingestion.value_checks import NeedsExactNumbers, Refusal, cut, detail_texts, kind_of, wrong_type

NO_VALUE: Final = "the record has no value"
NOT_UTF8: Final = "the value is not UTF-8"
NOT_JSON: Final = "the value is not JSON"
NOT_AN_OBJECT: Final = "the value is not a JSON object"
WRONG_EVENT_ID: Final = "the header event_id is not 1 to 128 printable ASCII characters"

_TRIES: Mapping[Reason, str] = {
    "missing_field": "send it, or declare it with required: false",
    "wrong_type": "send a value of that type",
    "out_of_range": "correct the value, or the bound in the contract",
    "pattern": "correct the value, or the pattern in the contract",
    "not_allowed": "send one of them, or add the value to the contract",
    "too_long": "shorten it, or raise max_length in the contract",
    "wrong_event_id": "leave event_id out, and one is made",
    "from_the_future": "correct the clock of the sender, or raise max_ahead in the contract",
    "not_json": "send text without lone surrogates",
}


def compile_encoder(
    contract: Contract, pii_secret: PiiSecret | None = None
) -> Callable[[Mapping[str, object]], Encoded]:
    """Return the function that checks the fields of one event and encodes them.

    It takes field name → value: str, bool, int, float; for timestamps an aware `datetime` or RFC 3339 text, for dates a
    `date` or its text, for decimals a `Decimal`, an int or text; lists, tuples and dicts of such values. Optional
    fields may be absent or None. It raises `EventError` for the first check that fails.

    Personal data is covered here and nowhere else: checks hold for the clear value, the record has what stands for it.

    Args:
        contract: The contract.
        pii_secret: What fields with `pii: hash` are hashed with; None reads `HEADRACE_PII__SECRET`, where one is.

    Raises:
        SettingsError: A field is hashed, and there is no secret.
    """
    checks = sent_checks(contract, covers(contract.fields, pii_secret))
    accept = accept_fields(contract.fields, checks=checks)
    optional = not all(field.required and field.pii != "drop" for field in contract.fields.values())
    key_name, time_name = contract.key, contract.time
    times = tuple(name for name, field in contract.fields.items() if field.type == "timestamp")
    dumps = orjson.dumps

    def encode(fields: Mapping[str, object]) -> Encoded:
        try:
            accepted = accept(fields)
            event_time_ms = accepted[time_name]
            for name in times:
                if accepted[name] is not None:
                    accepted[name] = format_timestamp(accepted[name])
            if optional and None in accepted.values():
                accepted = {name: value for name, value in accepted.items() if value is not None}
            return Encoded(dumps(accepted), str(accepted[key_name]).encode(), event_time_ms)
        except NeedsExactNumbers:
            raise _huge_float(contract, fields) from None
        except Refusal as refusal:
            raise event_error(contract, refusal) from None
        except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
            raise _unencodable(contract, fields) from error

    return encode


def compile_parser(contract: Contract) -> Callable[[Record], Parsed | Refused]:
    """Return the function that reads one record of the event's topic; it never raises for what a record holds."""
    stored = {name: field.stored for name, field in contract.fields.items()}
    own: Callable[[Any], dict[str, Any]] = accept_fields(stored)
    foreign: Callable[[Any], dict[str, Any]] = accept_fields(stored, Way(drops_unknown=True))
    key_name, time_name, event, label = contract.key, contract.time, contract.name, contract.label
    ahead_ms = duration_ms(contract.max_ahead)
    future = _future_detail(contract)
    loads = orjson.loads

    def parse(record: Record) -> Parsed | Refused:
        try:
            value = record.value
            id_header, contract_header, trace_header = event_headers(record.headers)
            sent_under = read_contract(contract_header, event) if contract_header is not None else None
            accept = own if sent_under is None or sent_under == label else foreign
            try:
                data = None if value is None or may_be_deep(value) else loads(value)
                fields = accept(data) if type(data) is dict else accept(_reread(value))
            except (orjson.JSONDecodeError, NeedsExactNumbers):
                fields = accept(_reread(value))
            except Refusal as refusal:
                # Of an integer beyond 64 bits the fast reader knows only that it is a number.
                if not refusal.detail.endswith(", got number"):
                    raise
                fields = accept(_reread(value))
            key = str(fields[key_name])
            if record.key != key.encode():
                raise _wrong_key(record.key, key, key_name)
            place = f"{event}-{record.partition}-{record.offset}"
            event_id = read_event_id(id_header) if id_header is not None else place
            if event_id is None:
                return Refused("wrong_event_id", WRONG_EVENT_ID)
            event_time_ms = fields[time_name]
            # A record of a very old producer has no timestamp (-1): nothing to compare with.
            if record.timestamp >= 0 and event_time_ms - record.timestamp > ahead_ms:
                return Refused("from_the_future", future)
            trace = read_trace(trace_header) if trace_header is not None else None
            return Parsed(fields, event_id, sent_under or label, trace, key, event_time_ms)
        except Refusal as refusal:
            return Refused(refusal.reason, refusal.detail)

    return parse


def parser_spec(contract: Contract) -> dict[str, Any]:
    """Return the contract as plain JSON data for a parser in another language.

    Beside the declaration it holds, per field, the details that show numbers (`texts`), so that no engine has to print
    one; the text `values` ends where the value that was got follows, in single quotes when it is a string.
    """
    return {
        "event": contract.name,
        "contract": contract.label,
        "key": contract.key,
        "time": contract.time,
        **({"progress": contract.progress} if contract.progress != contract.time else {}),
        "max_ahead_ms": duration_ms(contract.max_ahead),
        "from_the_future": _future_detail(contract),
        "fields": [_field_spec(name, name, field.stored) for name, field in contract.fields.items()],
    }


def _field_spec(name: str, path: str, field: Field) -> dict[str, Any]:
    left_out = {"pii", "description", "unit", "tags", "items", "fields"} | ({"values"} if field.inner else set())
    found = {
        "name": name,
        **field.model_dump(mode="json", exclude_none=True, exclude=left_out),
        "type": field.plain_type,
        "texts": detail_texts(path, field),
    }
    if field.inner:
        found["inner"] = [_field_spec(step.removeprefix("."), path + step, one) for step, one in field.inner.items()]
    return found


def from_the_future(contract: Contract) -> EventError:
    """Return the error of an event whose time lies more than `max_ahead` after its record timestamp."""
    return event_error(contract, Refusal("from_the_future", _future_detail(contract), contract.time))


def record_time(contract: Contract, at_ms: object) -> int:
    """Return a record timestamp that the sender gives: where a batch is framed, a wrong one would fail all of it.

    Raises:
        EventError: It is no whole number of milliseconds, or lies outside the years 1970 to 9999.
    """
    if isinstance(at_ms, bool) or not isinstance(at_ms, SupportsIndex):
        detail = f"timestamp_ms expects whole milliseconds since 1970, got {kind_of(at_ms)}"
        raise event_error(contract, Refusal("wrong_type", detail))
    found = index(at_ms)
    if not 0 <= found <= LATEST_MS:
        raise event_error(contract, Refusal("out_of_range", "timestamp_ms expects the years 1970 to 9999"))
    return found


def wrong_event_id(contract: Contract) -> EventError:
    """Return the error of an event id that cannot stand in a header."""
    detail = "event_id is not 1 to 128 printable ASCII characters"
    return event_error(contract, Refusal("wrong_event_id", detail))


def wrong_trace(contract: Contract, trace: str) -> EventError:
    """Return the error of a trace context that no reader would take."""
    detail = f"trace is no W3C traceparent, got '{cut(trace)}'"
    return event_error(contract, Refusal("wrong_type", detail))


def event_error(contract: Contract, refusal: Refusal) -> EventError:
    """Return the refusal as the error that the sender of the event sees."""
    facts = {"reason": refusal.reason, "contract": contract.place_of(refusal.field)}
    try_ = _TRIES.get(refusal.reason)
    if refusal.reason == "unknown_field":
        facts = {"fields": ", ".join(contract.fields), **facts}
        try_ = closest(refusal.field or "", contract.fields) or "leave it out, or add it to the contract"
    return EventError(
        f"event '{contract.name}' version {contract.version} is refused: {refusal.detail}",
        facts,
        try_,
        reason=refusal.reason,
        detail=refusal.detail,
        field=refusal.field,
    )


def _huge_float(contract: Contract, fields: Mapping[str, object]) -> EventError:
    # In Python a float is a float, however whole.
    for name, field in contract.fields.items():
        value = fields.get(name)
        if field.type in ("int", "long") and type(value) is float:
            return event_error(contract, wrong_type(name, field.type, value))
    raise ValueError("no float stands where an integer is expected")


def _unencodable(contract: Contract, fields: Mapping[str, object]) -> EventError:
    for name, value in fields.items():
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            return event_error(contract, Refusal("not_json", f"field '{name}' holds a lone surrogate", name))
    return event_error(contract, Refusal("not_json", "the event cannot be written as JSON"))


def _reread(value: bytes | None) -> dict[str, Any]:
    """Return the object of a value that the fast reader did not decide.

    Raises:
        Refusal: The value is none, or not UTF-8, or not JSON, or not an object.
    """
    if value is None:
        raise Refusal("not_json", NO_VALUE)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("not_json", NOT_UTF8) from error
    try:
        data = read_exactly(text)
    except ValueError as error:
        raise Refusal("not_json", NOT_JSON) from error
    if not isinstance(data, dict):
        raise Refusal("not_json", NOT_AN_OBJECT)
    return data


def _wrong_key(key: bytes | None, wanted: str, name: str) -> Refusal:
    if key is None:
        got = "none"
    else:
        try:
            got = f"'{cut(key.decode())}'"
        except UnicodeDecodeError:
            got = "bytes that are not UTF-8"
    return Refusal("wrong_key", f"the key expects '{cut(wanted)}' (field '{name}'), got {got}")


def _future_detail(contract: Contract) -> str:
    ahead = format_duration(contract.max_ahead)
    return f"field '{contract.time}' lies more than {ahead} after the record timestamp"
