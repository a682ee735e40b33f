"""Who asks, and whether they may: the border that every request passes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from headrace_ingestion.errors import HeadraceError
from headrace_lake.audit import Note

from headrace.http.errors import ForbiddenError, ServeError, UnauthenticatedError
from headrace.http.keys import LOCAL, Keys, Principal
from headrace.policy.audit import Audit
from headrace.policy.origins import Origin
from headrace.policy.reading import guard_of
from headrace.policy.rules import PolicyFile

if TYPE_CHECKING:
    from headrace_lake.guarded import Guard

_ADD_A_KEY = "headrace serve keys add NAME --scope events:write"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach that address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


VIA = "http"


@dataclass(frozen=True, slots=True)
class Granted:
    """Who asks, and what of the resource is masked for them."""

    principal: Principal
    masked: frozenset[str]


@dataclass(frozen=True)
class Access:
    """The rule of one server: with keys everybody needs one; without, only this machine may ask.

    Attributes:
        keys: The keys.
        host: The address that the server listens on.
        rules: The policy of the project, which is asked beside the scopes of a key when there is one.
        audit: Takes a note of every request that needs a key.
        copies: Tables that the rules of others hold for.
    """

    keys: Keys
    host: str
    rules: PolicyFile
    audit: Audit
    copies: Mapping[str, tuple[Origin, ...]]

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

    def allowed(self, request: Request, action: str, resource: str) -> Granted:
        """Return who asks and what the policy says, when they may do that.

        Raises:
            UnauthenticatedError: There is no key, or none that is known.
            ForbiddenError: The key does not allow it.
            PolicyError: The policy does not allow it.
            KeysError: The keys cannot be read.
            DeclarationError: The policy is wrong.
        """
        principal = self.known(request, action, resource)
        policy = self.rules.policy()
        try:
            if not principal.may(action, resource):
                raise _no_scope(principal, action, resource)
            decision = None if policy is None else policy.check(principal.name, action, resource)
        except HeadraceError as error:
            why = str(error).splitlines()[0]
            self.audit.note(Note(principal.name, VIA, action, resource, "denied", why))
            raise
        why = f"scopes of the key {principal.name!r}" if decision is None else decision.why
        self.audit.note(Note(principal.name, VIA, action, resource, "allowed", why))
        return Granted(principal, frozenset() if decision is None else decision.masked)

    def reader(self, request: Request, query: str) -> Guard | None:
        """Return the guard of a query of whoever asks; None when there is no policy.

        Raises:
            UnauthenticatedError: There is no key, or none that is known.
            ForbiddenError: The key does not allow SQL.
            KeysError: The keys cannot be read.
            DeclarationError: The policy is wrong.
        """
        action = "sql:read"
        principal = self.known(request, action, "lake")
        if not principal.may(action):
            error = _no_scope(principal, action, None)
            self.audit.note(Note(principal.name, VIA, action, "lake", "denied", str(error).splitlines()[0], query))
            raise error
        policy = self.rules.policy()
        if policy is None:
            why = f"scopes of the key {principal.name!r}"
            self.audit.note(Note(principal.name, VIA, action, "lake", "allowed", why, query))
            return None
        return guard_of(policy, principal.name, query, VIA, self.audit, self.copies)

    def known(self, request: Request, action: str, resource: str) -> Principal:
        """Return who asks.

        Raises:
            UnauthenticatedError: There is no key, or none that is known.
            ForbiddenError: There are no keys, and somebody else than this machine asks.
            KeysError: The keys cannot be read.
        """
        try:
            return self._principal(request)
        except HeadraceError as error:
            self.audit.note(Note("-", VIA, action, resource, "denied", str(error).splitlines()[0]))
            raise

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


def _no_scope(principal: Principal, action: str, resource: str | None) -> ForbiddenError:
    wanted = action if resource is None else f"{action}:{resource}"
    return ForbiddenError(
        f"the key {principal.name!r} does not allow {wanted[:200]}",
        {"scopes": ", ".join(sorted(principal.scopes)) or "none"},
        f"headrace serve keys add NAME --scope {action}",
    )


def _key_of(request: Request) -> str | None:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-api-key")
