"""The application: its routes, its OpenAPI document, and the one place where errors become answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from headrace_ingestion.errors import HeadraceError, RetryableError, four_parts
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from headrace.http.access import Access
from headrace.http.errors import status_of
from headrace.http.intake import Intake
from headrace.http.transforms import transforms_of
from headrace.pii import project_secret
from headrace.project import Project

log = logging.getLogger(__name__)


@dataclass
class Served:
    """What the routes work with.

    Attributes:
        project: The project.
        access: Who may do what.
        intake: Takes events in; there while the server runs.
        at_end: What is called when the server has ended.
    """

    project: Project
    access: Access
    intake: Intake | None = None
    at_end: list[Callable[[], None]] = field(default_factory=list)


def create_app(project: Project, access: Access) -> FastAPI:
    """Return the application of a project.

    Args:
        project: The project; its brokers must be known when the server starts.
        access: Who may do what.

    Raises:
        SettingsError: There is no secret for personal data, or `http.transforms` names an event that nobody sends.
        FixError: A function of `http.transforms` is not there.
    """
    from headrace.http.events_route import add_events_route
    from headrace.http.features_route import add_features_route
    from headrace.http.health_routes import add_health_routes
    from headrace.http.openapi import describe
    from headrace.http.sql_route import add_sql_route

    served = Served(project, access)
    # Here, and not when the server starts: there its error would be no more than a line of the log.
    secret, transforms = project_secret(project), transforms_of(project)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        access.audit.start()
        served.intake = Intake(project.contracts, project.connection(), project.settings.http, secret, transforms)
        try:
            yield
        finally:
            await served.intake.close()
            for close in served.at_end:
                close()
            await run_in_threadpool(access.audit.close)

    app = FastAPI(
        title=f"headrace: {project.settings.name}",
        version=version("headrace"),
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_exception_handler(HeadraceError, _failed)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(Exception, _broken)
    add_health_routes(app, served)
    add_events_route(app, served)
    add_features_route(app, served)
    add_sql_route(app, served)
    describe(app, project)
    return app


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return plain data as a JSON answer."""
    return Response(orjson.dumps(data, default=str), status, headers, "application/json")


async def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, HeadraceError):
        raise error
    status = status_of(error)
    if status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, RetryableError):
        headers["Retry-After"] = "1"
    return answer({"error": type(error).__name__, "message": str(error)}, status, headers)


async def _not_served(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    what = f"{request.method} {request.url.path}"[:200]
    failure = f"{what} is not served" if error.status_code in (404, 405) else f"{what}: {error.detail}"
    message = four_parts(failure, {}, "GET /docs")
    headers = dict(error.headers or {})
    return answer({"error": "HttpError", "message": message}, error.status_code, headers)


async def _broken(request: Request, error: Exception) -> Response:
    # What happened stands in the log, which starlette writes after this; who asks learns nothing of our insides.
    return answer({"error": "InternalError", "message": "the request failed; the log of the server says why"}, 500)
