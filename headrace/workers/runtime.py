"""What every worker does at its start and at its end: leash, logging, SIGTERM, readiness."""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from headrace_ingestion.errors import HeadraceError

from headrace.collector import collect_as_usual, collect_seldom
from headrace.project import Project, open_project
from headrace.settings import LogSettings
from headrace.stack.cache import atomic_file
from headrace.stack.folders import StackFolders
from headrace.stack.leash import LEASH_VARIABLE, hold_leash


@dataclass(frozen=True)
class Worker:
    """One running worker.

    Attributes:
        name: Name of the process, as `headrace status` shows it.
        project: The project it works for.
        arguments: Parsed arguments; those of all workers and its own.
        stop: Set by SIGTERM and SIGINT. The worker looks at it, ends its work in order and returns.
        log: Its logger.
    """

    name: str
    project: Project
    arguments: Namespace
    stop: threading.Event
    log: logging.Logger

    @property
    def instance(self) -> str:
        """Name of this process among all that share a consumer group: the same after a restart, one a replica."""
        return f"{self.name}.{socket.gethostname()}"

    def ready(self, **facts: object) -> None:
        """Tell that the worker does its work now. `facts` are JSON values that `headrace status` may show."""
        collect_seldom()
        text = json.dumps({"pid": os.getpid(), "ready_at_ms": time.time_ns() // 1_000_000, **facts})
        with atomic_file(StackFolders(self.project.folder).ready_file(self.name)) as part:
            part.write_text(text)
        self.log.info("ready %s", " ".join(f"{key}={value}" for key, value in facts.items()))


def start(name: str, argv: Sequence[str] | None = None, *, parser: ArgumentParser | None = None) -> Worker:
    """Prepare this process to be the worker and return it.

    Holds the leash of the supervisor, logs to standard error, and turns SIGTERM and SIGINT into `Worker.stop`.

    Args:
        name: Name of the worker's module. `--name` gives the process another one (several jobs).
        argv: Arguments; those of the command line when None.
        parser: Knows further arguments; `--project` and `--name` are added to it.

    Raises:
        HeadraceError: The project cannot be opened.
    """
    if os.environ.get(LEASH_VARIABLE):
        hold_leash()
    parser = parser or ArgumentParser(prog=f"headrace.workers.{name}")
    parser.add_argument("--project", type=Path, required=True, help="the project folder")
    parser.add_argument("--name", default=name, help="name of this process")
    arguments = parser.parse_args(argv)
    # Before the project is read: an error in it is to be logged, too.
    set_up_logging(LogSettings())
    project = open_project(arguments.project)
    set_up_logging(project.settings.log)
    stop = threading.Event()

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return Worker(arguments.name, project, arguments, stop, logging.getLogger(f"headrace.{arguments.name}"))


def run(
    name: str,
    body: Callable[[Worker], None],
    argv: Sequence[str] | None = None,
    *,
    parser: ArgumentParser | None = None,
) -> int:
    """Run a worker until it returns; return the exit status of the process. The border of a worker's process.

    Args:
        name: Name of the worker's module.
        body: Does the work until `Worker.stop` is set.
        argv: Arguments; those of the command line when None.
        parser: Knows further arguments.
    """
    try:
        body(start(name, argv, parser=parser))
    except HeadraceError as error:
        # In one line, because status shows the last one of the log.
        text = " | ".join(line.strip() for line in str(error).splitlines())
        logging.getLogger(f"headrace.{name}").error("%s: %s", type(error).__name__, text)
        return 1
    finally:
        collect_as_usual()
    return 0


def set_up_logging(settings: LogSettings) -> None:
    """Log to standard error in the form that the settings choose."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else PlainLines())
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    # The client tells of every connection it opens.
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLogger().level))
    # A busy machine is not a fault of the process.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


class PlainLines(logging.Formatter):
    """`2026-01-31T23:59:59.123Z INFO headrace.lake_writer message`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the record's time in UTC, with milliseconds."""
        return _instant(record)


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and `error` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {
            "time": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def _instant(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
