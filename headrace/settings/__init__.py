"""Settings of a project: flag > environment `HEADRACE_…` > `headrace.yaml` > default; built once, then handed in."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from headrace_ingestion.documents import DeclarationProblem, declaration_error, read_document
from headrace_ingestion.errors import SettingsError, closest
from headrace_ingestion.settings import KafkaConnection, TransportName
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from headrace.settings.http import HttpSettings
from headrace.settings.lake import LakeSettings
from headrace.settings.pii import PiiSettings
from headrace.settings.types import Count, IsNumber, Milliseconds, Port, Section
from headrace.settings.upkeep import UpkeepSettings

FILE_NAME = "headrace.yaml"
ENVIRONMENT_PREFIX = "HEADRACE_"
NESTED_DELIMITER = "__"

_SERVER = r"\s*[^\s,][^,]*:[0-9]+\s*"
_SERVERS = f"^({_SERVER}(,{_SERVER})*)?$"
"""What an editor can say of addresses; the range of a port it cannot."""


class KafkaSettings(Section):
    """Where the log of events is."""

    model_config = ConfigDict(title="the section kafka")

    bootstrap_servers: str | None = Field(
        default=None,
        description="`host:port,…` of brokers; none: an embedded broker",
        json_schema_extra={"pattern": _SERVERS},
    )
    port: Port | None = Field(default=None, description="fixed port of the embedded broker; none: a free one")
    topic_prefix: str = Field(
        default="", pattern=r"^([a-z0-9][a-z0-9._-]*)?$", description="put before every topic's name"
    )
    partitions: Count = Field(default=4, description="partitions of a new topic")
    replication: Count = Field(default=1, description="copies of a new topic")
    add_partitions: bool = Field(
        default=False,
        description="give topics the partitions that contracts declare more; keys move to others, and lose their order",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how to speak with the brokers"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="how to log in; with a SASL protocol"
    )
    sasl_username: str | None = Field(default=None, description="user name to log in with")
    sasl_password: SecretStr | None = Field(default=None, description="password to log in with")
    ssl_cafile: str | None = Field(
        default=None, description="file of the authority that signed the brokers' certificates"
    )
    ssl_certfile: str | None = Field(
        default=None, description="file with the client's certificate and private key, where brokers ask for one"
    )
    transport: TransportName = Field(
        default="kafka-python", description="client of producers; `auto`: confluent-kafka where it is installed"
    )

    def connection(self, bootstrap_servers: str) -> KafkaConnection:
        """Return what clients need to reach these brokers with this login."""
        return KafkaConnection(
            bootstrap_servers=bootstrap_servers,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=self.sasl_password,
            ssl_cafile=self.ssl_cafile,
            ssl_certfile=self.ssl_certfile,
            topic_prefix=self.topic_prefix,
            transport=self.transport,
        )

    @model_validator(mode="after")
    def _connection_is_valid(self) -> Self:
        try:
            self.connection(self.bootstrap_servers or "127.0.0.1:9092")
        except ValidationError as error:
            cause = error.errors()[0].get("ctx", {}).get("error")
            # Its own problem, with its four parts, instead of a validation error inside another.
            raise (cause if isinstance(cause, DeclarationProblem) else error) from error
        return self


class FlinkSettings(Section):
    """Where and how the feature job runs."""

    model_config = ConfigDict(title="the section flink")

    target: Literal["embedded", "remote"] = Field(
        default="embedded", description="inside the job process, or on a cluster"
    )
    rest_address: str = Field(default="127.0.0.1", description="host of the cluster's REST interface; for `remote`")
    rest_port: Port = Field(default=8081, description="port of the cluster's REST interface; for `remote`")
    parallelism: Count | None = Field(
        default=None, description="none: half as many as cores, at most the topic's partitions"
    )
    checkpoint_interval_ms: Milliseconds = Field(default=1000, description="time between checkpoints")
    checkpoint_folder: str | None = Field(
        default=None, description="folder or URI of checkpoints; none: below `.headrace`"
    )
    state_backend: Literal["heap", "rocksdb"] = Field(
        default="heap", description="where state lives between checkpoints: in memory, or on disk when it outgrows it"
    )
    memory_megabytes: Annotated[int, Field(ge=256), IsNumber] = Field(
        default=1024, description="heap of an embedded job"
    )


class OnlineSettings(Section):
    """Where the newest feature values are."""

    model_config = ConfigDict(title="the section online")

    store: Literal["sqlite", "valkey"] = Field(default="sqlite", description="kind of store")
    path: str | None = Field(default=None, description="file of the SQLite store; none: below `.headrace`")
    url: SecretStr | None = Field(default=None, description="`redis://…` of the Valkey store")

    @model_validator(mode="after")
    def _valkey_has_a_url(self) -> Self:
        if self.store == "valkey" and self.url is None:
            raise DeclarationProblem(
                "online.store is 'valkey', and online.url is not given",
                {"expected": "redis://HOST:PORT/DATABASE"},
                "HEADRACE_ONLINE__URL=redis://127.0.0.1:6379/0",
            )
        return self


class MlflowSettings(Section):
    """Where runs and models are."""

    model_config = ConfigDict(title="the section mlflow")

    tracking_uri: str | None = Field(
        default=None, description="URI of the tracking server; none: SQLite below `.headrace`"
    )
    artifact_location: str | None = Field(
        default=None, description="URI of artifacts; none: the server's own, or a folder"
    )


class ScorerSettings(Section):
    """How events are scored."""

    model_config = ConfigDict(title="the section scorer")

    poll_alias_seconds: Annotated[float, Field(gt=0), IsNumber] = Field(
        default=1.0, description="time between looks for a new champion"
    )
    batch_rows: Count = Field(default=2000, description="most rows of one call of the model")
    batch_wait_ms: Milliseconds = Field(default=2, description="longest wait for the first row of a batch")


class LogSettings(Section):
    """How processes log."""

    model_config = ConfigDict(title="the section log")

    format: Literal["plain", "json"] = Field(default="plain", description="lines for people, or one JSON object a line")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe message shown"
    )


class Settings(Section):
    """Every setting of a project. Frozen; `load_settings` builds it."""

    model_config = ConfigDict(title="the file headrace.yaml")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="name of the project")
    kafka: KafkaSettings = KafkaSettings()
    flink: FlinkSettings = FlinkSettings()
    lake: LakeSettings = LakeSettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    online: OnlineSettings = OnlineSettings()
    mlflow: MlflowSettings = MlflowSettings()
    scorer: ScorerSettings = ScorerSettings()
    http: HttpSettings = HttpSettings()
    pii: PiiSettings = PiiSettings()
    log: LogSettings = LogSettings()


def load_settings(
    folder: Path, *, flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings of the project in `folder`.

    Args:
        folder: The project folder; holds `headrace.yaml`.
        flags: Dotted name of a setting (`kafka.port`) → its text; the strongest source.
        environ: The environment; the process's own when None.

    Raises:
        DeclarationError: `headrace.yaml` is missing or wrong; the message names file and line.
        SettingsError: A flag or a variable of the environment is wrong.
    """
    document = read_document(folder / FILE_NAME, root=folder)
    overrides = _from_environment(os.environ if environ is None else environ)
    overrides |= {tuple(name.split(".")): (text, f"--set {name}") for name, text in (flags or {}).items()}
    data = document.data
    for place, (text, source) in overrides.items():
        data = _with_value(data, place, text, source)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise _override_error(error, overrides) or declaration_error(document, Settings, error) from error


def variable_of(place: tuple[str, ...]) -> str:
    """Return the environment variable of a setting: `("kafka", "port")` → `HEADRACE_KAFKA__PORT`."""
    return ENVIRONMENT_PREFIX + NESTED_DELIMITER.join(place).upper()


def _from_environment(environ: Mapping[str, str]) -> dict[tuple[str, ...], tuple[str, str]]:
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for variable, text in environ.items():
        # Other variables that begin like this (HEADRACE_CACHE) are no settings: a setting has a section.
        # An empty one is not set: compose files pass on what the shell has or has not.
        if text and variable.startswith(ENVIRONMENT_PREFIX) and NESTED_DELIMITER in variable:
            place = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTED_DELIMITER)
            found[tuple(place)] = (text, variable)
    return found


def _with_value(data: Mapping[str, Any], place: tuple[str, ...], text: str, source: str) -> dict[str, Any]:
    first, *rest = place
    if not rest:
        return {**data, first: text}
    section = data.get(first) or {}
    if not isinstance(section, Mapping):
        sections = ", ".join(name for name in Settings.model_fields if name != "name")
        raise SettingsError(f"{source}: {first!r} is no section", {"sections": sections}, f"another name for {source}")
    return {**data, first: _with_value(section, tuple(rest), text, source)}


def _override_error(
    error: ValidationError, overrides: Mapping[tuple[str, ...], tuple[str, str]]
) -> SettingsError | None:
    """Return the first problem that a flag or a variable caused, or None when the file caused them all."""
    for problem in error.errors(include_url=False):
        place = tuple(str(step) for step in problem["loc"])
        for override, (text, source) in overrides.items():
            if override[: len(place)] == place:
                return _explained(problem, place, text, source)
    return None


def _explained(problem: ErrorDetails, place: tuple[str, ...], text: str, source: str) -> SettingsError:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, DeclarationProblem):
        return SettingsError(f"{source}: {cause.failure}", cause.exists, cause.try_)
    if problem["type"] == "extra_forbidden":
        return _unknown_setting(place, source)
    if place[-1:] in {("url",), ("sasl_password",), ("secret",), ("secret_access_key",)}:
        text = "…"  # never a secret
    return SettingsError(
        f"{source} is {text!r}",
        {"expected": problem["msg"].removeprefix("Input "), "setting": ".".join(place)},
        f"another value of {source}",
    )


def _unknown_setting(place: tuple[str, ...], source: str) -> SettingsError:
    field = Settings.model_fields.get(place[0])
    section = field.annotation if len(place) > 1 and field else Settings
    known = list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []
    match = closest(place[-1], known)
    sure = (*place[:-1], match) if match else None
    try_ = None
    if sure:
        try_ = f"--set {'.'.join(sure)}" if source.startswith("--") else variable_of(sure)
    return SettingsError(
        f"{source}: {'.'.join(place)!r} is not a setting",
        {"settings": ", ".join(known)},
        try_ or "docs/settings.md lists them all",
    )
