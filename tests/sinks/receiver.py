"""An endpoint of others: a real HTTP server in a thread, which remembers what it got."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

Answer = int | tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """What an endpoint got, and what it answers.

    Attributes:
        port: Where it listens.
        answer: Request number, body → status, or status and headers.
        requests: Key and body of each request, in order.
        headers: Headers of each request.
        arrived: Is set at each request.
    """

    port: int = 0
    answer: Callable[[int, Any], Answer] = lambda number, body: 200
    requests: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def keys(self) -> list[str]:
        """Keys of the requests, in order."""
        return [key for key, _ in self.requests]

    def await_requests(self, count: int, timeout_seconds: float = 30) -> None:
        """Return when so many requests were answered."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout_seconds), self.requests


@contextmanager
def receiving(tls: SSLContext | None = None) -> Iterator[Receiver]:
    """Run an endpoint."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with receiver.arrived:
                number = len(receiver.requests)
                receiver.requests.append((self.headers["Idempotency-Key"], body))
                receiver.headers.append(dict(self.headers.items()))
            found = receiver.answer(number, body)
            status, headers = found if isinstance(found, tuple) else (found, {})
            text = b"" if status < 300 else b"not  this\none"
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
            with receiver.arrived:
                receiver.arrived.notify_all()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that was killed, or did not like the certificate

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
