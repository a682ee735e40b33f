"""Serving a project: the address is bound first, so that an error of it is ours; then uvicorn has the word."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from headrace_ingestion.errors import HeadraceError

from headrace.http.access import Access
from headrace.http.app import create_app
from headrace.http.errors import ServeError
from headrace.http.keys import project_keys
from headrace.policy.audit import Audit
from headrace.policy.origins import copies_of
from headrace.policy.rules import PolicyFile
from headrace.project import Project
from headrace.tables import lake_path

_BACKLOG = 1_024
_MOST_CONNECTIONS = 1_000
_GRACE_SECONDS = 10


class Server(uvicorn.Server):
    """A server that tells when it answers.

    Args:
        config: What it serves and how.
        on_ready: Called once, when requests are answered.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


class Listener:
    """A project that is about to be served: its address is bound.

    Args:
        project: The project.
        host: Address to listen on; None: that of the settings.
        port: Port; 0: a free one; None: that of the settings.

    Raises:
        ServeError: The address is not free, or it is not of this machine alone and there are no keys.
        KeysError: The keys cannot be read.
        NotRunningError: The stack of the project is down.
        DeclarationError: A declaration is wrong.
        SettingsError: There is no secret for personal data, or `http.transforms` names an event that nobody sends.
        FixError: A function of `http.transforms` is not there.
    """

    def __init__(self, project: Project, host: str | None = None, port: int | None = None) -> None:
        settings = project.settings.http
        self.host = settings.host if host is None else host
        audit = Audit(lake_path(project))
        access = Access(project_keys(project), self.host, PolicyFile(project.folder), audit, copies_of(project))
        access.check_start()
        # What is wrong with brokers or declarations is said before anything listens.
        project.connection(), project.contracts, project.views, access.rules.policy()
        self._app = create_app(project, access)
        self._socket = _bound(self.host, settings.port if port is None else port)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def server(self, on_ready: Callable[[], None]) -> Server:
        """Return the server; `should_exit = True` ends it in order, and so do SIGTERM and SIGINT."""
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        return Server(config, on_ready)

    def serve(self, server: Server) -> None:
        """Answer requests until the server is told to end.

        Raises:
            ServeError: It could not start.
        """
        with self._socket:
            server.run(sockets=[self._socket])
        if not server.started:
            raise ServeError("the server did not start", {"address": self.url}, "headrace serve --set log.level=debug")


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _not_bound(host, port, error) from error


def _not_bound(host: str, port: int, error: OSError) -> HeadraceError:
    return ServeError(
        f"the server cannot listen on {host} port {port}: {error.strerror or error}",
        {"expected": "an address of this machine and a free port"},
        "headrace serve --port 0 (any free one)",
    )
