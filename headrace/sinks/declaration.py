"""`sinks/*.yaml`: which records of which table go where, in which form. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from headrace_ingestion.documents import DeclarationProblem, load_document, load_folder
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import SettingsError
from headrace_ingestion.fields import Name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from headrace.settings.types import IsNumber

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset({"content-length", "content-type", "host", "idempotency-key", "transfer-encoding"})
_TOKEN = re.compile(r"[\x20-\x7e]*")


def _check_variables(text: str, what: str) -> None:
    """Refuse what looks like a variable and would be sent as it stands."""
    if "$" in _VARIABLE.sub("", text):
        raise DeclarationProblem(
            f"{what!r} has a $ that begins no variable",
            {"expected": "${NAME}, of letters, digits and underscores; there are no defaults"},
            'Authorization: "Bearer ${TOKEN}"',
        )


def _a_while(value: timedelta) -> timedelta:
    if not value:
        raise DeclarationProblem("'timeout' is no time in which an answer can come", {"expected": "more than 0"}, "10s")
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, text in headers.items():
        _check_variables(text, name)
        if _HEADER.fullmatch(name) is None or name.lower() in _OURS:
            raise DeclarationProblem(
                f"{name!r} is no header that a sink can set",
                {"expected": "a name of HTTP, other than " + ", ".join(sorted(_OURS))},
                'Authorization: "Bearer ${TOKEN}"',
            )
    return headers


def _url(url: str) -> str:
    _check_variables(url, "url")
    # What the environment completes is checked when it has.
    if _VARIABLE.search(url) is None:
        check_url(url)
    return url


class HttpTarget(BaseModel):
    """An endpoint, and how records are handed to it."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="the endpoint of a sink")

    url: Annotated[str, AfterValidator(_url)] = Field(
        description="`http://…` or `https://…`; `${NAME}` stands for a variable of the environment"
    )
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(
        default_factory=dict, description="further headers; secrets as `${NAME}`, a variable of the environment"
    )
    batch: Annotated[int, IsNumber] = Field(
        default=1, ge=1, le=1_000, description="most records of one request; 1: a record is the body"
    )
    timeout: Annotated[Duration, AfterValidator(_a_while)] = Field(
        default=timedelta(seconds=10), description="how long a connection, or the answer to a request, may take"
    )
    retries: Annotated[int, IsNumber] = Field(
        default=8, ge=0, le=1_000, description="further attempts after a failure that may pass"
    )
    backoff: Duration = Field(
        default=timedelta(milliseconds=500), description="pause before the first; each further one is twice as long"
    )
    ca: str | None = Field(
        default=None, description="file of the authority that signed the endpoint's certificate; none: the system's"
    )


class SinkDeclaration(BaseModel):
    """Records of one table that go to an endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="a sink")

    name: Name = Field(description="name of the sink; where it has come to is kept under it")
    table: str = Field(min_length=1, description="`events.<event>`, `features.<view>`, `scores.<model>`, `ops.alerts`")
    start: Literal["latest", "earliest"] = Field(
        default="latest", description="where its first start begins: after what is there, or at the beginning"
    )
    where: str | None = Field(default=None, min_length=1, description="SQL: only records for which it is true")
    select: str | None = Field(
        default=None, min_length=1, description="SQL: what is sent of a record; none: its own columns"
    )
    transform: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`module:function` of the project: (row) -> what is sent, or None to send nothing",
    )
    http: HttpTarget = Field(description="the endpoint")
    description: str | None = Field(default=None, description="for people")


def load_sinks(folder: Path, *, root: Path) -> dict[str, SinkDeclaration]:
    """Return the sinks that the files of a folder declare, by name.

    Args:
        folder: The folder `sinks` of a project; one that is not there declares none.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file is wrong, or two declare one name.
    """
    return load_folder(folder, lambda path: load_document(path, SinkDeclaration, root=root), "sink", root=root)


def check_url(url: str) -> None:
    """Do nothing when records may be sent to this URL.

    Raises:
        DeclarationProblem: It is of another scheme, names no host, or holds a login.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known, parts = False, urlsplit("")
    if not known or not url.isascii() or any(character.isspace() for character in url):
        raise DeclarationProblem(
            "'url' is no address of HTTP", {"expected": "http://HOST/… or https://HOST/…"}, "https://example.com/events"
        )
    if parts.username is not None or parts.password is not None:
        raise DeclarationProblem(
            "'url' holds a login", {"expected": "a header"}, 'headers: {Authorization: "Basic ${CREDENTIALS}"}'
        )


def completed(sink: SinkDeclaration, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return URL and headers with the variables of the environment in their places.

    Raises:
        SettingsError: A variable is not set, or what it makes is no URL or header. Never shows a value.
    """
    where = f"sinks/*.yaml, the sink {sink.name!r}"

    def fill(text: str) -> str:
        for name in _VARIABLE.findall(text):
            if not environ.get(name):
                raise SettingsError(
                    f"the sink {sink.name!r} needs the variable {name}, which is not set",
                    {"where": where},
                    f"export {name}=…",
                )
        return _VARIABLE.sub(lambda match: environ[match[1]], text)

    url = fill(sink.http.url)
    try:
        check_url(url)
    except DeclarationProblem as problem:
        raise SettingsError(
            f"the sink {sink.name!r}: {problem.failure}, as the environment completes it",
            {**problem.exists, "where": where},
            f"url: {problem.try_}",
        ) from None
    headers = {name: fill(text) for name, text in sink.http.headers.items()}
    for name, text in headers.items():
        if _TOKEN.fullmatch(text) is None:
            raise SettingsError(
                f"the header {name!r} of the sink {sink.name!r} holds a character that no header may hold",
                {"expected": "printable ASCII in one line", "where": where},
                f"another value of {', '.join(_VARIABLE.findall(sink.http.headers[name])) or name}",
            )
    return url, headers
