"""Whatever is sent, the server answers with a status that its OpenAPI document names, and never with a 500."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import Client

EXAMPLES = 80
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=8
)
_HEADER = st.text("abcdefgz/+-;= 0:", max_size=20).map(str.strip)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a field's schema, and others: around its limits, of other types, none."""
    near: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T24:00:00+25:00", "9999-12-31T23:59:59.9999Z"])
        | _TEXT
        | st.just("x" * (schema.get("maxLength", 100) + 1)),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 5e-324, 1e308]),
        "integer": st.integers() | st.sampled_from([2**31, -(2**31), 2**63, 2**64, 1e300]),
        "boolean": st.booleans(),
    }
    # A field that may be null names both types.
    types = schema["type"]
    return near[types if isinstance(types, str) else types[0]] | _ANYTHING


@st.composite
def bodies(draw: st.DrawFn, schema: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """A body and its headers: events of the schema, right and wrong, in every form, sometimes broken."""
    known = st.fixed_dictionaries({}, optional={name: values(field) for name, field in schema["properties"].items()})
    event = known | st.dictionaries(_TEXT, _SCALARS, max_size=3) | _ANYTHING
    events = draw(st.lists(event, max_size=4))
    form = draw(st.sampled_from(["application/json", "application/x-ndjson", "text/csv"]))
    if form == "text/csv":
        names = draw(st.permutations(list(schema["properties"])))
        rows = [",".join(json.dumps(cell) for cell in draw(st.lists(_SCALARS, max_size=7))) for _ in events]
        body = "\n".join([",".join(names), *rows]).encode()
    else:
        body = "\n".join(map(json.dumps, events)).encode() if "nd" in form else json.dumps(events).encode()
    headers = {"Content-Type": form}
    if draw(st.booleans()):
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    if draw(st.integers(0, 3)) == 0:
        body = draw(st.binary(max_size=60)) + body[draw(st.integers(0, 20)) :]
    if draw(st.integers(0, 5)) == 0:
        headers[draw(st.sampled_from(["Content-Type", "Content-Encoding", "Idempotency-Key"]))] = draw(_HEADER)
    return body, headers


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    """The OpenAPI document of the server."""
    found: dict[str, Any] = client.get("/openapi.json").data
    return found


def test_no_body_is_answered_with_a_500(client: Client, document: dict[str, Any]) -> None:
    statuses = {int(code) for code in document["paths"]["/events/{name}"]["post"]["responses"]}
    seen = set()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(document["components"]["schemas"]["event_reading"]))
    def check(sent: tuple[bytes, dict[str, str]]) -> None:
        body, headers = sent
        answer = client.request("POST", "/events/reading", body, **headers)
        assert answer.status in statuses - {401, 403, 503}, answer.body
        seen.add(answer.status)
        for record in answer.data.get("records", []):
            assert record["status"] in ("accepted", "refused")

    check()
    assert {400, 422} <= seen


def test_every_event_of_the_document_is_one_that_the_contract_takes(client: Client, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["event_reading"]
    assert schema["required"] == ["series", "at", "value"]
    assert schema["properties"]["series"] == {"type": "string", "maxLength": 64}
    assert schema["properties"]["value"] == {"type": "number", "minimum": 0}
    smallest = {"series": "", "at": "2026-01-31T12:00:00Z", "value": 0}
    assert client.post("/events/reading", smallest).status == 200


_WORDS = [
    *("select", "from", "events.reading", "value", "*", "(", ")", ",", "1", "'x'", "where", "$a", "?", "::int", "/"),
    *("with", "as", "ops.audit", "count(*)", "null", ";", "order by", "range(9)", "unnest([1])", "{}", "\x00"),
]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(_WORDS), max_size=8).map(" ".join).map(lambda text: f"select {text}") | _TEXT,
    st.none() | st.lists(_SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), _SCALARS, max_size=2),
    st.sampled_from(["*/*", "application/vnd.apache.arrow.stream"]),
)
def test_no_query_is_answered_with_a_500(client: Client, query: str, params: Any, accept: str) -> None:
    answer = client.post("/sql", {"query": query, "params": params}, accept=accept)
    assert answer.status in (200, 400, 422), answer.body


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["/features/series/", "/features/", "/events/", "/"]), st.text(max_size=10), st.booleans())
def test_no_path_is_answered_with_a_500(client: Client, start: str, text: str, is_post: bool) -> None:
    from urllib.parse import quote

    path = start + quote(text.encode("utf-8", "surrogatepass"), safe="/%")
    answer = client.post(path, {}) if is_post else client.get(path)
    assert answer.status in (200, 307, 400, 404, 405, 422), path
