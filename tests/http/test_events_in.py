"""Events over HTTP: every form, an answer for each record, limits; through a real broker."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from headrace_ingestion import EventError, Producer
from headrace_ingestion.testing import FakeBroker
from serving import LINES, Client

from headrace.http.bodies import read_body
from headrace.http.errors import SlowBodyError, status_of
from headrace.project import Project

AT = "2026-01-31T12:00:00Z"


def reading(value: float, **more: Any) -> dict[str, Any]:
    """A reading as it is sent."""
    return {"series": "s", "at": AT, "value": value, **more}


def stored(project: Project) -> dict[str, dict[str, Any]]:
    """The events on the topic, by id."""
    found = project.events.tail("reading", start="earliest", count=None)
    return {record.event_id: record.fields for record in found if record.event_id and record.fields}


def test_one_event_is_answered_with_the_place_where_it_stands(client: Client, project: Project) -> None:
    answer = client.post("/events/reading", reading(1, event_id="one"))
    assert answer.status == 200
    data = answer.data
    (record,) = data.pop("records")
    assert data == {"event": "reading", "accepted": 1, "refused": 0, "failed": 0}
    assert (record["status"], record["event_id"], record["index"]) == ("accepted", "one", 0)
    (found,) = [e for e in project.events.tail("reading", count=None) if e.event_id == "one"]
    assert (found.partition, found.offset) == (record["partition"], record["offset"])
    assert found.fields == {"series": "s", "at": "2026-01-31T12:00:00.000Z", "value": 1.0, "count": None, "good": None}


FORMS = {
    "array": ("application/json", json.dumps([reading(n, event_id=f"array-{n}", good=True) for n in range(3)])),
    "lines": (LINES, "\n\n".join(json.dumps(reading(n, event_id=f"lines-{n}", good=True)) for n in range(3))),
    "csv": (
        "text/csv; charset=utf-8",
        "series,at,value,good,count,event_id\r\n" + "".join(f"s,{AT},{n},true,,csv-{n}\r\n" for n in range(3)),
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_the_same_events(client: Client, project: Project, form: str, packed: bool) -> None:
    media, text = FORMS[form]
    body = text.replace(f"{form}-", f"{form}-{packed}-").encode()
    headers = {"content_encoding": "gzip"} if packed else {}
    answer = client.post("/events/reading", gzip.compress(body) if packed else body, media, **headers)
    assert (answer.status, answer.data["accepted"]) == (200, 3)
    events = stored(project)
    assert [events[f"{form}-{packed}-{n}"]["value"] for n in range(3)] == [0, 1, 2]
    assert {events[f"{form}-{packed}-{n}"]["good"] for n in range(3)} == {True}


def test_wrong_records_are_refused_in_the_words_of_the_sdk_and_the_others_are_sent(
    client: Client, project: Project
) -> None:
    lines = [reading(1, event_id="w-1"), reading(-1), {**reading(2), "vlaue": 3}, reading(4, event_id="w-2")]
    body = "\n".join([*map(json.dumps, lines), "{series: s}", "[]", '{"event_id": {}}'])
    answer = client.post("/events/reading", body.encode(), LINES)
    assert answer.status == 207
    assert (answer.data["accepted"], answer.data["refused"], answer.data["failed"]) == (2, 5, 0)
    records = answer.data["records"]
    assert [(record["index"], record["line"]) for record in records] == [(n, n + 1) for n in range(7)]
    assert [record.get("reason") for record in records] == [
        None, "out_of_range", "unknown_field", None, "not_json", "not_json", "missing_field",
    ]  # fmt: skip
    fake = FakeBroker()
    with Producer(project.contracts.values(), transport=fake.transport()) as producer:
        for number in (1, 2):
            with pytest.raises(EventError) as refused:
                producer.send("reading", lines[number])
            assert records[number]["error"] == str(refused.value)
    assert {"w-1", "w-2"} <= set(stored(project))


def test_a_request_of_which_all_is_refused_is_422(client: Client) -> None:
    answer = client.post("/events/reading", [reading(-1), reading(1, event_id="x" * 129), 7])
    assert answer.status == 422
    assert [record["reason"] for record in answer.data["records"]] == ["out_of_range", "wrong_event_id", "not_json"]


def test_a_csv_line_with_the_wrong_number_of_values_is_refused_alone(client: Client) -> None:
    answer = client.post("/events/reading", f"series,at,value\ns,{AT}\ns,{AT},1\n".encode(), "text/csv")
    assert answer.status == 207
    assert answer.data["records"][0]["detail"] == "the line has 2 values, the header has 3"


def test_a_request_that_is_repeated_with_its_idempotency_key_gives_the_same_ids(client: Client) -> None:
    body = [reading(1), reading(2, event_id="own")]
    ids = [
        [record["event_id"] for record in client.post("/events/reading", body, idempotency_key="k1").data["records"]]
        for _ in range(2)
    ]
    assert ids == [["k1:0", "own"]] * 2


TORN = gzip.compress(b"{}", mtime=0)[:-4]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("/events/raeding", b"{}", {}, 404, "the project declares no event 'raeding'"),
        ("/event/reading", b"{}", {}, 404, "POST /event/reading is not served"),
        ("/events/reading", b"{}", {"content_type": "text/plain"}, 415, "there is no reader for the content type"),
        ("/events/reading", b"{}", {"content_encoding": "br"}, 415, "there is no reader for the content encoding 'br'"),
        ("/events/reading", b"{", {}, 400, "the body is not JSON: "),
        ("/events/reading", b"[]", {}, 400, "the body holds no event"),
        ("/events/reading", b"{}", {"content_encoding": "gzip"}, 400, "the body is not gzip: "),
        (
            "/events/reading",
            gzip.compress(b"{}", mtime=0)[:-4],
            {"content_encoding": "gzip"},
            400,
            "the gzip of the body ends",
        ),
        ("/events/reading", b"a,a\n1,2\n", {"content_type": "text/csv"}, 400, "the CSV has a column twice"),
        ("/events/reading", b"a\n\xff\n", {"content_type": "text/csv"}, 400, "the body cannot be read as CSV: "),
        ("/events/reading", b"{}", {"idempotency_key": "x" * 101}, 400, "the header Idempotency-Key cannot begin"),
        ("/events/reading", b"[" + b"1," * 40_000 + b"1]", {}, 413, "the body has more than 65536 bytes"),
        (
            "/events/reading",
            gzip.compress(b" " * 70_000, mtime=0),
            {"content_encoding": "gzip"},
            413,
            "the body has more than",
        ),
        ("/events/reading", b"[" + b"1," * 10_000 + b"1]", {}, 413, "the body has more than 10000 records"),
    ],
)
def test_what_is_no_request_is_answered_with_a_status_and_a_reason(
    client: Client, path: str, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    answer = client.post(path, body, **headers)
    assert answer.status == status
    assert answer.data["message"].startswith(message)


def test_a_bomb_is_given_up_before_it_is_unpacked(client: Client) -> None:
    # 15 KB that would be 15 MB.
    answer = client.post("/events/reading", gzip.compress(b"\0" * 15_000_000), content_encoding="gzip")
    assert (answer.status, answer.data["error"]) == (413, "TooLargeError")


def test_the_server_says_that_it_lives_and_is_ready(client: Client) -> None:
    assert client.get("/healthz").data == {"status": "alive"}
    assert client.get("/readyz").data == {"status": "ready"}
    page = client.get("/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<code>POST /events/{name}</code>" in page.body
    assert b"<script" not in page.body


async def _never() -> AsyncIterator[bytes]:
    yield b"[1"
    await asyncio.Event().wait()


def test_a_body_that_does_not_come_is_given_up() -> None:
    with pytest.raises(SlowBodyError) as slow:
        asyncio.run(read_body(_never(), None, 1_000, read_seconds=0.01))
    assert str(slow.value).splitlines()[1] == "  received:  2 bytes"
    assert status_of(slow.value) == 408
