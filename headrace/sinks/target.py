"""One endpoint: a request, its answer, and what is tried again."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import urllib3
from headrace_ingestion.errors import SettingsError

from headrace.events.dead_letters import SinkReason
from headrace.sinks.declaration import HttpTarget
from headrace.sinks.rows import Outgoing

LONGEST_PAUSE_SECONDS = 30.0
LONGEST_ASKED_SECONDS = 300.0
"""Longest pause that an endpoint may ask for by `Retry-After`."""

_MAY_PASS = frozenset({408, 425, 429})
_ABOUT_THE_BODY = frozenset({400, 409, 413, 422})
_SHOWN_BYTES = 200
_READ_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that the endpoint did not take.

    Attributes:
        outgoing: The record.
        reason: Whether it was refused for good, or not answered in all attempts.
        detail: The last answer.
    """

    outgoing: Outgoing
    reason: SinkReason
    detail: str


class StoppedError(Exception):
    """The process is to end; what was to be sent is sent by the next one."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request brought: nothing is wrong with it when `detail` is None."""

    detail: str | None
    may_pass: bool = False
    is_about_the_body: bool = False
    asked_seconds: float | None = None


class Endpoint:
    """Hands records over.

    Certificates are checked, no redirect is followed, no proxy and no login of the environment is used.

    Args:
        http: How.
        url: Where to.
        headers: Further headers, secrets filled in.
        stop: Ends a pause.

    Raises:
        SettingsError: The file of the authority cannot be read.
    """

    def __init__(self, http: HttpTarget, url: str, headers: Mapping[str, str], stop: threading.Event) -> None:
        self._http, self._url, self._stop = http, url, stop
        self._headers = {"User-Agent": "headrace", "Content-Type": "application/json", **headers}
        seconds = max(http.timeout.total_seconds(), 0.001)
        try:
            self._pool = urllib3.PoolManager(
                timeout=urllib3.Timeout(total=seconds), retries=False, cert_reqs="CERT_REQUIRED", ca_certs=http.ca
            )
            if http.ca is not None:
                urllib3.util.create_urllib3_context().load_verify_locations(http.ca)
        except OSError as error:
            raise SettingsError(
                f"the file {http.ca} holds no certificates: {error.strerror or error}",
                {"expected": "certificates in PEM"},
                "ca: certificates/authority.pem",
            ) from error

    def deliver(self, batch: Sequence[Outgoing]) -> list[Refusal]:
        """Hand over records in one request, and return those that were not taken; none when all were.

        A batch that is refused for what is in it is halved until the guilty ones stand alone.

        Raises:
            StoppedError: The process is to end.
        """
        answer = self._tried(batch)
        if answer.detail is None:
            return []
        if answer.is_about_the_body and len(batch) > 1:
            middle = len(batch) // 2
            return [*self.deliver(batch[:middle]), *self.deliver(batch[middle:])]
        reason: SinkReason = "sink_unreachable" if answer.may_pass else "sink_refused"
        return [Refusal(outgoing, reason, answer.detail) for outgoing in batch]

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _tried(self, batch: Sequence[Outgoing]) -> _Answer:
        pause_seconds = self._http.backoff.total_seconds()
        for left in range(self._http.retries, -1, -1):
            if self._stop.is_set():
                raise StoppedError
            answer = self._asked(batch)
            if not answer.may_pass or left == 0:
                return answer
            # Sinks of many processes that failed together do not come back together.
            own = min(pause_seconds, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0)
            if self._stop.wait(max(own, min(answer.asked_seconds or 0.0, LONGEST_ASKED_SECONDS))):
                raise StoppedError
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        raise AssertionError("there is at least one attempt")

    def _asked(self, batch: Sequence[Outgoing]) -> _Answer:
        body, key = _body(batch, self._http.batch)
        headers = {**self._headers, "Idempotency-Key": key}
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            said = _beginning(answer)
        except urllib3.exceptions.HTTPError as error:
            return _Answer(f"no answer: {_said(error)}", may_pass=True)
        if 200 <= answer.status < 300:
            return _Answer(None)
        text = " ".join(said[:_SHOWN_BYTES].decode(errors="replace").split())
        return _Answer(
            f"HTTP {answer.status}{': ' if text else ''}{text}",
            may_pass=answer.status >= 500 or answer.status in _MAY_PASS,
            is_about_the_body=answer.status in _ABOUT_THE_BODY,
            asked_seconds=_seconds(answer.headers.get("Retry-After")),
        )


def _body(batch: Sequence[Outgoing], most: int) -> tuple[bytes, str]:
    """Return body and idempotency key of a request."""
    if most == 1:
        return batch[0].body or b"null", batch[0].key
    each = (b'{"id":%s,"value":%s}' % (_json_text(one.key), one.body or b"null") for one in batch)
    return b"[" + b",".join(each) + b"]", hashlib.sha256("\n".join(one.key for one in batch).encode()).hexdigest()


def _json_text(text: str) -> bytes:
    import orjson

    return orjson.dumps(text)


def _beginning(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Return the beginning of an answer; the connection of one that goes on is not used again."""
    try:
        found = answer.read(_READ_BYTES)
        if answer.read(1):
            answer.close()
        return found
    finally:
        answer.release_conn()


def _said(error: urllib3.exceptions.HTTPError) -> str:
    # The text of these errors holds addresses of objects, and may hold the URL with what the environment put there.
    cause = error.__cause__ or error.__context__
    return type(cause if isinstance(cause, OSError) else error).__name__


def _seconds(text: str | None) -> float | None:
    """Return the pause that an endpoint asks for, where it is a number."""
    # `isdigit` would take raised digits, too, which are no number.
    return float(text) if text is not None and text.strip().isdecimal() else None
