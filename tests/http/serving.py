"""A server over a real socket, in a thread, and requests to it."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headrace.http.server import Listener
from headrace.project import Project

JSON = "application/json"
LINES = "application/x-ndjson"


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as plain data."""
        return json.loads(self.body)


class Client:
    """Sends requests over one connection.

    Args:
        port: Port of the server.
        key: API key.
    """

    def __init__(self, port: int, key: str | None = None) -> None:
        self.port = port
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; `content_type` becomes `Content-Type`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, {**self._headers, **named})
        got = self._connection.getresponse()
        return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET."""
        return self.request("GET", path, None, **headers)

    def post(self, path: str, body: Any, content_type: str = JSON, **headers: str) -> Answer:
        """Send a POST; what is not bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, sent, content_type=content_type, **headers)


@contextmanager
def serving(project: Project, host: str | None = None) -> Iterator[int]:
    """Serve the project in a thread and yield the port."""
    listener = Listener(project, host, 0)
    ready = threading.Event()
    server = listener.server(ready.set)
    thread = threading.Thread(target=listener.serve, args=(server,))
    thread.start()
    try:
        assert ready.wait(30)
        yield listener.port
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
