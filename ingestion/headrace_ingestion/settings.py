"""How to reach Kafka: one frozen object, from the environment or from the settings of a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator, model_validator

from headrace_ingestion.errors import SettingsError, closest
from headrace_ingestion.problems import DeclarationProblem

ENVIRONMENT_PREFIX = "HEADRACE_KAFKA__"

TransportName: TypeAlias = Literal["kafka-python", "confluent", "auto"]
"""Which client library carries the records of a producer."""


class KafkaConnection(BaseModel):
    """Where the brokers are, how to log in, and what the project's topics are called.

    Attributes:
        bootstrap_servers: `host:port`, several with commas.
        security_protocol: Plain or TLS, with or without a login.
        sasl_mechanism: How to log in; needed with `SASL_…`.
        sasl_username: Who logs in.
        sasl_password: Their secret.
        ssl_cafile: Certificates to trust instead of the system's: a PEM file.
        ssl_certfile: Who the client is, where brokers ask for a certificate: a PEM file with its certificate and its
            private key (PKCS #8, without a password).
        topic_prefix: Stands before every topic of the project.
        transport: Client library of a producer; `auto` takes confluent-kafka where it is installed (the extra `fast`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="kafka connection")

    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    topic_prefix: str = ""
    transport: TransportName = "kafka-python"

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_hosts_with_ports(cls, text: str) -> str:
        for server in text.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not host or not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise DeclarationProblem(
                    f"{server.strip()!r} is not host:port", {"expected": "host:port, several with commas"},
                    f"{host or server.strip() or 'localhost'}:9092",
                )  # fmt: skip
        return text

    @model_validator(mode="after")
    def _login_is_complete(self) -> KafkaConnection:
        given = {
            name for name in ("sasl_mechanism", "sasl_username", "sasl_password") if getattr(self, name) is not None
        }
        wanted = self.security_protocol.startswith("SASL_")
        if wanted and len(given) < 3:
            missing = sorted({"sasl_mechanism", "sasl_username", "sasl_password"} - given)
            raise DeclarationProblem(
                f"security_protocol {self.security_protocol} lacks {', '.join(missing)}",
                {"expected": "sasl_mechanism, sasl_username and sasl_password"},
                f"{missing[0]}: …",
            )
        if given and not wanted:
            raise DeclarationProblem(
                f"{sorted(given)[0]} is set, and security_protocol is {self.security_protocol}",
                {"expected": "SASL_PLAINTEXT or SASL_SSL with a login"},
                "security_protocol: SASL_SSL",
            )
        return self

    @model_validator(mode="after")
    def _certificates_are_of_use(self) -> KafkaConnection:
        given = [name for name in ("ssl_cafile", "ssl_certfile") if getattr(self, name) is not None]
        if given and not self.security_protocol.endswith("SSL"):
            raise DeclarationProblem(
                f"{given[0]} is set, and security_protocol is {self.security_protocol}",
                {"expected": "SSL or SASL_SSL with certificates"},
                "security_protocol: SASL_SSL" if self.sasl_mechanism else "security_protocol: SSL",
            )
        return self

    def client_options(self) -> dict[str, Any]:
        """Return the options that kafka-python's clients take to reach these brokers; holds the password in clear."""
        options: dict[str, Any] = {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.sasl_password is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        if self.ssl_cafile is not None:
            options["ssl_cafile"] = self.ssl_cafile
        if self.ssl_certfile is not None:
            options["ssl_certfile"] = self.ssl_certfile
        return options

    def confluent_options(self) -> dict[str, Any]:
        """Return the same under the names of confluent-kafka; holds the password in clear."""
        options = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self.sasl_password is not None:
            options["sasl.mechanism"] = self.sasl_mechanism or ""
            options["sasl.username"] = self.sasl_username or ""
            options["sasl.password"] = self.sasl_password.get_secret_value()
        if self.ssl_cafile is not None:
            options["ssl.ca.location"] = self.ssl_cafile
        if self.ssl_certfile is not None:
            options["ssl.certificate.location"] = options["ssl.key.location"] = self.ssl_certfile
        return options

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> KafkaConnection:
        """Return the connection that `HEADRACE_KAFKA__BOOTSTRAP_SERVERS`, `…__SECURITY_PROTOCOL` and so on describe.

        Variables of that prefix that are not fields of a connection are left alone (`headrace` itself has more), unless
        one is a field misspelt.

        Raises:
            SettingsError: A variable is missing, wrong, or misspelt.
        """
        given = {
            name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(ENVIRONMENT_PREFIX)
        }
        if not given.get("bootstrap_servers"):
            near = closest("bootstrap_servers", [name for name in given if name != "bootstrap_servers"])
            raise SettingsError(
                f"{ENVIRONMENT_PREFIX}BOOTSTRAP_SERVERS is not set",
                {"given": ", ".join(f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in ([near] if near else given))},
                f"export {ENVIRONMENT_PREFIX}BOOTSTRAP_SERVERS=localhost:9092",
            )
        try:
            return cls.model_validate({name: value for name, value in given.items() if name in cls.model_fields})
        except ValidationError as error:
            raise _settings_error(error) from error


def _settings_error(error: ValidationError) -> SettingsError:
    # The values are left out of the message: one of them may be the password.
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ENVIRONMENT_PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else f"{ENVIRONMENT_PREFIX}…"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, DeclarationProblem):
        return SettingsError(f"{name}: {cause.failure}", {"from": "the environment", **cause.exists}, cause.try_)
    expected = problem["msg"].removeprefix("Input should be ")
    return SettingsError(f"{name} is wrong", {"from": "the environment", "expected": expected}, f"export {name}=…")
