"""`POST /sql`: reading queries over the lake, their rows streamed as JSON Lines or Arrow."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response
from headrace_ingestion.errors import HeadraceError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from headrace.http.app import Served
from headrace.http.bodies import form_of, read_body
from headrace.http.errors import BodyError, BusyError, MediaTypeError

if TYPE_CHECKING:
    from headrace_lake.guarded import Guard
    from headrace_lake.stream import ResultStream

log = logging.getLogger(__name__)

LINES = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
_ANY = ("", "*/*", "application/*", "application/json")


def add_sql_route(app: FastAPI, served: Served) -> None:
    """Add the route."""
    settings = served.project.settings.http
    free = threading.Semaphore(settings.sql_queries)

    @app.post("/sql", summary="Ask SQL over the lake")
    async def sql(request: Request) -> Response:
        """Answer one reading query with its rows: JSON Lines, or Arrow when `Accept` asks for it."""
        # Who is nobody does not get to send a body.
        served.access.known(request, "sql:read", "lake")
        media = _accepted(request.headers.get("accept", ""))
        if form_of(request.headers.get("content-type")) != "json":
            raise MediaTypeError("a query is sent as JSON", {"types": "application/json"}, '{"query": "select 1"}')
        body = await read_body(request.stream(), request.headers.get("content-encoding"), settings.max_body_bytes)
        query, params = _query_of(body)
        guard = served.access.reader(request, query)
        if not free.acquire(blocking=False):
            raise BusyError(
                "as many queries run as may", {"limit": f"http.sql_queries: {settings.sql_queries}"}, "ask again"
            )
        try:
            stream = await run_in_threadpool(_opened, served, query, params, guard)
        except BaseException:
            free.release()
            raise
        chunks = _arrow(stream) if media == ARROW else _lines(stream)
        # What is wrong before the first rows is still an answer with a status.
        rest = _Released(chunks, stream, free.release)
        first = await run_in_threadpool(rest.first)
        return StreamingResponse(rest.all(first), media_type=media)


class _Released:
    """Chunks of an answer; whatever becomes of them, the query is let go of once."""

    def __init__(self, chunks: Iterator[bytes], stream: ResultStream, release: Callable[[], None]) -> None:
        self._chunks = chunks
        self._stream = stream
        self._release: Callable[[], None] | None = release
        self._lock = threading.Lock()

    def first(self) -> bytes:
        """Return the first chunk."""
        try:
            return next(self._chunks, b"")
        except BaseException:
            self._end()
            raise

    def all(self, first: bytes) -> Iterator[bytes]:
        """Yield the first chunk and the others."""
        try:
            yield first
            yield from self._chunks
        finally:
            self._end()

    def __del__(self) -> None:
        """Let go of a query whose asker went before its first chunk."""
        self._end()

    def _end(self) -> None:
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            self._stream.close()
            release()


def _opened(served: Served, query: str, params: Any, guard: Guard | None) -> ResultStream:
    from headrace_lake.query import Limits

    settings = served.project.settings.http
    limits = Limits(settings.sql_seconds, memory_bytes=settings.sql_memory_bytes, rows=settings.sql_rows)
    return served.project.lake.stream(query, params, limits, guard)


def _query_of(body: bytes) -> tuple[str, Any]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _no_query(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str) or set(asked) - {"query", "params"}:
        raise _no_query("the body does not hold a query, and params where it has some")
    params = asked.get("params")
    if params is not None and not isinstance(params, dict | list):
        raise _no_query("params is neither an object nor an array")
    return asked["query"], params


def _no_query(failure: str) -> BodyError:
    return BodyError(
        failure, {"expected": "query, and params by name or in order"}, '{"query": "select $n", "params": {"n": 1}}'
    )


def _accepted(accept: str) -> str:
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in (LINES, ARROW):
            return name
        if name in _ANY:
            return LINES
    raise MediaTypeError(
        f"no rows can be given as {accept[:200]!r}", {"types": f"{LINES}, {ARROW}"}, f"Accept: {LINES}"
    )


def _lines(stream: ResultStream) -> Iterator[bytes]:
    begun = False
    try:
        for batch in stream:
            begun = True
            yield b"".join(
                orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist()
            )
    except HeadraceError as error:
        if not begun:
            raise
        # The status has been sent: the last line says that rows are missing.
        log.warning("a query ended before its last row: %s", error)
        yield orjson.dumps({"error": type(error).__name__, "message": str(error)}, option=orjson.OPT_APPEND_NEWLINE)


def _arrow(stream: ResultStream) -> Iterator[bytes]:
    import pyarrow as pa

    sink = io.BytesIO()
    # A reader of Arrow knows that rows are missing when the stream has no end: an error just breaks it off.
    with pa.ipc.new_stream(sink, stream.schema) as writer:
        for batch in stream:
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    chunk = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return chunk


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        whole = int(value) if value == value.to_integral_value() else None
        # Whole numbers beyond 64 bits are no numbers of JSON that others read.
        return float(value) if whole is None else whole if abs(whole) < 2**63 else str(value)
    return str(value)
