"""`POST /events/{name}`."""

from fastapi import FastAPI, Request, Response
from headrace_ingestion.headers import is_event_id

from headrace.http.app import Served, answer
from headrace.http.bodies import form_of, read_body
from headrace.http.errors import BodyError

_MOST_KEY_CHARACTERS = 100


def add_events_route(app: FastAPI, served: Served) -> None:
    """Add the route."""
    settings = served.project.settings.http

    @app.post("/events/{name}", summary="Send events")
    async def send_events(name: str, request: Request) -> Response:
        """Check one event or many against the contract and send them.

        The answer says for each record where it stands, or why it is refused. Repeats of an `event_id` count once.
        """
        served.access.allowed(request, "events:write", name)
        contract = served.project.events.sent_contract(name)
        form = form_of(request.headers.get("content-type"))
        key = _idempotency_key(request)
        body = await read_body(request.stream(), request.headers.get("content-encoding"), settings.max_body_bytes)
        if served.intake is None:
            raise RuntimeError("a request came before the server had started")
        outcome = await served.intake.take(contract, form, body, key)
        headers = {"Retry-After": "1"} if outcome.failed else None
        return answer(outcome.as_dict(), outcome.status, headers)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (len(key) <= _MOST_KEY_CHARACTERS and is_event_id(key)):
        raise BodyError(
            "the header Idempotency-Key cannot begin an event id",
            {"expected": f"1 to {_MOST_KEY_CHARACTERS} printable ASCII characters"},
            "Idempotency-Key: 0190c2d4-7d4e-7000-8000-000000000000",
        )
    return key
