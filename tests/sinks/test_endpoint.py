"""How records are handed to an endpoint; over real connections."""

import ssl
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.errors import SettingsError
from headrace_ingestion.records import StoredRecord
from receiver import Receiver, receiving
from secure_listener import secure_listener

from headrace.sinks.declaration import HttpTarget
from headrace.sinks.rows import Outgoing
from headrace.sinks.target import Endpoint, Refusal, StoppedError


def outgoing(*keys: str) -> list[Outgoing]:
    """Records whose body is their key."""
    record = StoredRecord("t", 0, 0, 1, None, b"")
    return [Outgoing(record, key, key, f'"{key}"'.encode()) for key in keys]


def endpoint(url: str, stop: threading.Event | None = None, **options: Any) -> Endpoint:
    """An endpoint with short pauses."""
    http = HttpTarget.model_validate({"url": url, "retries": 3, **options})
    return Endpoint(
        http.model_copy(update={"backoff": timedelta(milliseconds=options.pop("pause_ms", 1))}),
        url,
        {"Authorization": "Bearer s3cret"},
        stop or threading.Event(),
    )


def said(refusals: list[Refusal]) -> list[tuple[str, str, str]]:
    """Key, reason and detail of each."""
    return [(one.outgoing.key, one.reason, one.detail) for one in refusals]


def test_one_record_is_the_body_of_a_request_with_its_key(receiver: Receiver) -> None:
    assert endpoint(receiver.url).deliver(outgoing("a")) == []
    assert receiver.requests == [("a", "a")]
    headers = receiver.headers[0]
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer s3cret", "application/json")


def test_several_records_stand_in_one_list_each_with_its_key(receiver: Receiver) -> None:
    assert endpoint(receiver.url, batch=2).deliver(outgoing("a", "b")) == []
    key, body = receiver.requests[0]
    assert body == [{"id": "a", "value": "a"}, {"id": "b", "value": "b"}]
    assert len(key) == 64


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_what_may_pass_is_tried_again_with_the_same_key(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda number, body: status if number < 3 else 204
    assert endpoint(receiver.url).deliver(outgoing("a")) == []
    assert receiver.keys == ["a"] * 4


def test_after_all_attempts_it_is_unreachable(receiver: Receiver) -> None:
    receiver.answer = lambda number, body: 503
    assert said(endpoint(receiver.url).deliver(outgoing("a"))) == [("a", "sink_unreachable", "HTTP 503: not this one")]
    assert len(receiver.requests) == 4


def test_a_refusal_is_not_tried_again(receiver: Receiver) -> None:
    receiver.answer = lambda number, body: 403
    assert said(endpoint(receiver.url, batch=9).deliver(outgoing("a", "b"))) == [
        ("a", "sink_refused", "HTTP 403: not this one"),
        ("b", "sink_refused", "HTTP 403: not this one"),
    ]
    assert len(receiver.requests) == 1


def test_of_a_batch_that_is_refused_for_one_record_the_others_are_taken(receiver: Receiver) -> None:
    taken: list[str] = []

    def answer(number: int, body: Any) -> int:
        values = [one["value"] for one in body]
        if "c" in values:
            return 422
        taken.extend(values)
        return 200

    receiver.answer = answer
    refusals = endpoint(receiver.url, batch=9).deliver(outgoing("a", "b", "c", "d", "e"))
    assert said(refusals) == [("c", "sink_refused", "HTTP 422: not this one")]
    assert taken == ["a", "b", "d", "e"]


def test_a_pause_that_is_no_number_is_not_kept_to(receiver: Receiver) -> None:
    receiver.answer = lambda number, body: (503, {"Retry-After": "²"}) if number == 0 else 204
    assert endpoint(receiver.url).deliver(outgoing("a")) == []
    assert receiver.keys == ["a"] * 2


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answer = lambda number, body: (307, {"Location": other.url})
        assert said(endpoint(receiver.url).deliver(outgoing("a"))) == [("a", "sink_refused", "HTTP 307: not this one")]
        assert other.requests == []


def test_an_endpoint_that_does_not_answer_in_time_is_tried_again(receiver: Receiver) -> None:
    free = threading.Event()

    def answer(number: int, body: Any) -> int:
        if number == 0:
            free.wait(20)
        return 200

    receiver.answer = answer
    assert endpoint(receiver.url, timeout="100ms").deliver(outgoing("a")) == []
    free.set()
    assert receiver.keys == ["a", "a"]


def test_nobody_at_the_address_is_told_without_the_address() -> None:
    with receiving() as gone:
        url = gone.url
    assert said(endpoint(f"{url}?token=s3cret").deliver(outgoing("a"))) == [
        ("a", "sink_unreachable", "no answer: ConnectionRefusedError")
    ]


def test_a_pause_ends_when_the_process_is_to_end(receiver: Receiver) -> None:
    stop = threading.Event()

    def answer(number: int, body: Any) -> Any:
        stop.set()
        return 503, {"Retry-After": "200"}

    receiver.answer = answer
    with pytest.raises(StoppedError):
        endpoint(receiver.url, stop).deliver(outgoing("a"))
    assert len(receiver.requests) == 1


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    secure_listener(tmp_path, 1)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "broker.pem")
    with receiving(tls) as receiver:
        url = receiver.url.replace("http://", "https://")
        refusals = said(endpoint(url, retries=0).deliver(outgoing("a")))
        assert refusals == [("a", "sink_unreachable", "no answer: SSLCertVerificationError")]
        assert endpoint(url, ca=str(tmp_path / "authority.pem")).deliver(outgoing("a")) == []
        assert receiver.keys == ["a"]


def test_a_file_without_certificates_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none\n")
    with pytest.raises(SettingsError, match=r"ca\.pem holds no certificates"):
        endpoint("https://crm.example/", ca=str(tmp_path / "ca.pem"))
