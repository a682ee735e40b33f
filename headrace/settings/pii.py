"""The section `pii` of the settings."""

from pydantic import ConfigDict, Field, SecretStr

from headrace.settings.types import Section


class PiiSettings(Section):
    """Personal data: fields of contracts with `pii: hash`."""

    model_config = ConfigDict(title="the section pii")

    secret: SecretStr | None = Field(
        default=None,
        description="what is hashed with, at least 16 characters; "
        "none: the file `pii-secret` below `.headrace`, made where the broker is embedded",
    )
