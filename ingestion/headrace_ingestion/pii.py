"""Personal data: what stands in a record instead of a value, for fields with `pii: hash`, `mask` or `drop`.

A hash is the first 32 hexadecimal digits of HMAC-SHA-256 over the UTF-8 text, with a secret of the project as the key.
It is the same in every process, every version of Python and every language; without the secret it can be made of no
guess. Neither case nor Unicode form of the text is changed before.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr

from headrace_ingestion.errors import SettingsError
from headrace_ingestion.fields import Field

SECRET_VARIABLE = "HEADRACE_PII__SECRET"
"""Variable of the environment that holds the secret."""

LEAST_SECRET_CHARACTERS = 16
HASH_CHARACTERS = 32
MASK = "****"
_SHOWN_CHARACTERS = 4

_HASH = re.compile(rf"[0-9a-f]{{{HASH_CHARACTERS}}}")


class PiiSecret:
    """The secret that personal data is hashed with; never shown.

    Args:
        secret: At least 16 characters; the same in all producers of a project.
        keeps_hashes: Whether a text that has the form of a hash is left as it is: for records that were hashed before.

    Raises:
        SettingsError: The secret is too short.
    """

    __slots__ = ("_keeps_hashes", "_key")

    def __init__(self, secret: str | SecretStr, *, keeps_hashes: bool = False) -> None:
        clear = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if len(clear) < LEAST_SECRET_CHARACTERS:
            raise SettingsError(
                f"the secret for personal data has {len(clear)} characters",
                {"expected": f"at least {LEAST_SECRET_CHARACTERS}, drawn at random", "variable": SECRET_VARIABLE},
                f'export {SECRET_VARIABLE}="$(openssl rand -hex 32)"',
            )
        self._key = clear.encode()
        self._keeps_hashes = keeps_hashes

    def __repr__(self) -> str:
        return "PiiSecret(…)"

    def hash(self, value: str) -> str:
        """Return what stands for a text: 32 hexadecimal digits.

        Raises:
            UnicodeEncodeError: The text holds a lone surrogate.
        """
        if self._keeps_hashes and is_hash(value):
            return value
        return hmac.digest(self._key, value.encode(), "sha256")[: HASH_CHARACTERS // 2].hex()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> PiiSecret:
        """Return the secret of the environment.

        Raises:
            SettingsError: There is none, or it is too short.
        """
        secret = environment.get(SECRET_VARIABLE)
        if not secret:
            raise no_secret({})
        return cls(secret)


def no_secret(facts: Mapping[str, str]) -> SettingsError:
    """Return the error of a field that is to be hashed, and no secret to do it with."""
    return SettingsError(
        "there is no secret to hash personal data with",
        {
            **facts,
            "expected": f"{SECRET_VARIABLE}, at least {LEAST_SECRET_CHARACTERS} characters, "
            "the same for all producers of the project",
        },
        f"export {SECRET_VARIABLE}=…, or pii_secret=… of the producer",
    )


def is_hash(text: str) -> bool:
    """Return whether a text has the form of a hash."""
    return _HASH.fullmatch(text) is not None


def mask(text: str) -> str:
    """Return `****` and the last four characters; of a text with less than eight, `****` alone."""
    return MASK + text[-_SHOWN_CHARACTERS:] if len(text) >= 2 * _SHOWN_CHARACTERS else MASK


def hashed_fields(fields: Mapping[str, Field], within: str = "") -> list[str]:
    """Return the paths of the fields that are hashed, nested ones included: `lines[].article`."""
    found = []
    for name, field in fields.items():
        path = f"{within}{name}"
        if field.pii == "hash":
            found.append(path)
        found += hashed_fields(field.inner, path)
    return found


def covers(fields: Mapping[str, Field], secret: PiiSecret | None) -> Callable[[Field], Callable[[Any], Any]] | None:
    """Return the function that says what is done with the accepted values of a field; None: no field has `pii`.

    Args:
        fields: The fields of an event.
        secret: What to hash with; None reads the environment, when a field is hashed.

    Raises:
        SettingsError: A field is hashed, and there is no secret.
    """
    hashed = hashed_fields(fields)
    if hashed and secret is None:
        try:
            secret = PiiSecret.from_environment()
        except SettingsError as error:
            raise (error if os.environ.get(SECRET_VARIABLE) else no_secret({"fields": ", ".join(hashed)})) from None
    ways: dict[str | None, Callable[[Any], Any]] = {"mask": mask, "drop": lambda value: None}
    if secret is not None:
        ways["hash"] = secret.hash
    return (lambda field: ways[field.pii]) if hashed or _has_pii(fields) else None


def _has_pii(fields: Mapping[str, Field]) -> bool:
    return any(field.pii is not None or _has_pii(field.inner) for field in fields.values())
