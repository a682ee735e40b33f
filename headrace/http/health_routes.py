"""`GET /healthz` and `GET /readyz`: for whoever starts, stops and balances servers; they need no key."""

from fastapi import FastAPI, Response
from starlette.concurrency import run_in_threadpool

from headrace.http.app import Served, answer
from headrace.stack.ports import is_server_open


def add_health_routes(app: FastAPI, served: Served) -> None:
    """Add the routes."""

    @app.get("/healthz", summary="Tell whether the server lives")
    async def healthz() -> Response:
        """Answer as long as the server does."""
        return answer({"status": "alive"})

    @app.get("/readyz", summary="Tell whether events can be taken")
    async def readyz() -> Response:
        """Answer 200 when a broker accepts connections and the queue to it has space, else 503 with what is wrong."""
        intake = served.intake
        if intake is None:
            return answer({"status": "starting"}, 503)
        reachable = [await run_in_threadpool(is_server_open, server.strip()) for server in intake.place.split(",")]
        if not any(reachable):
            return answer({"status": "not ready", "why": "no broker accepts connections"}, 503)
        if intake.is_full:
            return answer({"status": "not ready", "why": "the queue to the broker is full"}, 503)
        return answer({"status": "ready"})
