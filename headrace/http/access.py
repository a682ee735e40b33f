"""Who asks, and whether they may: the border that every request passes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from fastapi import Request

from headrace.http.errors import ForbiddenError, ServeError, UnauthenticatedError
from headrace.http.keys import LOCAL, Keys, Principal

_ADD_A_KEY = "headrace serve keys add NAME --scope events:write"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach that address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rule of one server: with keys everybody needs one; without, only this machine may ask.

    Attributes:
        keys: The keys.
        host: The address that the server listens on.
    """

    keys: Keys
    host: str

    def check_start(self) -> None:
        """Do nothing when the server may listen there.

        Raises:
            ServeError: Others could reach it, and there are no keys.
            KeysError: The keys cannot be read.
        """
        if not is_loopback(self.host) and not self.keys.stored():
            raise ServeError(
                f"without API keys the server does not listen on {self.host!r}",
                {"expected": "127.0.0.1, or keys", "keys": f"none in {self.keys.path}"},
                _ADD_A_KEY,
            )

    def allowed(self, request: Request, action: str, resource: str | None = None) -> Principal:
        """Return who asks, when they may do that.

        Raises:
            UnauthenticatedError: There is no key, or none that is known.
            ForbiddenError: The key does not allow it.
            KeysError: The keys cannot be read.
        """
        principal = self._principal(request)
        if not principal.may(action, resource):
            wanted = action if resource is None else f"{action}:{resource}"
            raise ForbiddenError(
                f"the key {principal.name!r} does not allow {wanted[:200]}",
                {"scopes": ", ".join(sorted(principal.scopes)) or "none"},
                f"headrace serve keys add NAME --scope {action}",
            )
        return principal

    def _principal(self, request: Request) -> Principal:
        key = _key_of(request)
        if key is not None:
            found = self.keys.principal(key)
            if found is None:
                raise UnauthenticatedError("the API key is not known", {"sent by": "Authorization"}, _ADD_A_KEY)
            return found
        if self.keys.stored() or not is_loopback(self.host):
            raise UnauthenticatedError(
                "the request has no API key", {"expected": "Authorization: Bearer KEY"}, _ADD_A_KEY
            )
        # A page in a browser on this machine could reach the server under a name of its own (DNS rebinding).
        if not is_loopback(request.url.hostname or ""):
            raise ForbiddenError(
                "without API keys the server answers to this machine's own address alone",
                {"asked as": (request.url.hostname or "")[:200]},
                "http://127.0.0.1",
            )
        return LOCAL


def _key_of(request: Request) -> str | None:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-api-key")
