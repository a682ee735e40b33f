"""`policy.yaml`: its form, and the decision that its rules make. Nothing is allowed but by a rule; a denial wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from headrace_ingestion.documents import DeclarationProblem, load_document
from headrace_ingestion.errors import HeadraceError
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE_NAME = "policy.yaml"

Action = Literal["events:write", "features:read", "sql:read"]
"""`events:write` of an event, `features:read` of a view, `sql:read` of a table: `events.call`."""

ACTIONS: tuple[Action, ...] = get_args(Action)

_Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class PolicyError(HeadraceError):
    """The policy does not allow it."""


class Rule(BaseModel):
    """One rule: who, what, of what, under which condition."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="a rule of the policy")

    name: str = Field(min_length=1, description="what decisions and the audit call it")
    effect: Literal["allow", "deny"] = Field(default="allow", description="a denial wins over all that allows")
    principals: _Names = Field(description="names of API keys, or of --as; `*` stands for any text")
    actions: Annotated[tuple[Action, ...], Field(min_length=1)] = Field(description="what they do")
    resources: _Names = Field(description="names of events, views or tables; `*` stands for any text")
    where: str | None = Field(default=None, description="SQL over the rows of a table that the rule is about")
    mask: tuple[str, ...] = Field(default=(), description="columns that are shown masked")

    @model_validator(mode="after")
    def _is_about_rows(self) -> Self:
        if self.where is not None and self.actions != ("sql:read",):
            raise DeclarationProblem(
                "'where' is a condition of rows, and the rule is about more than reading tables",
                {"actions": ", ".join(self.actions)},
                "actions: [sql:read]",
            )
        if self.mask and (self.effect == "deny" or "events:write" in self.actions):
            raise DeclarationProblem(
                "'mask' is for what a rule allows to read",
                {"effect": self.effect, "actions": ", ".join(self.actions)},
                "effect: allow",
            )
        if self.where is not None:
            from headrace.events.locked_sql import ExpressionError, check_expression

            try:
                check_expression(self.where)
            except ExpressionError as error:
                raise DeclarationProblem(
                    str(error).splitlines()[0], {"where": self.where}, "where: country = 'CH'"
                ) from error
        return self

    def is_about(self, principal: str, action: str, resource: str) -> bool:
        """Return whether the rule says something of this."""
        return (
            action in self.actions
            and any(fnmatchcase(principal, name) for name in self.principals)
            and any(fnmatchcase(resource, name) for name in self.resources)
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of one principal, action and resource.

    Attributes:
        allowed: Whether it is allowed, perhaps in part.
        why: In a few words.
        rules: Names of the rules that are about it, in their order.
        where: SQL that rows must fulfil to be shown; None: all are.
        masked: Columns that are masked, in lower case: SQL tells none from another by its case.
    """

    allowed: bool
    why: str
    rules: tuple[str, ...] = ()
    where: str | None = None
    masked: frozenset[str] = frozenset()


class Policy(BaseModel):
    """The rules of a project."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="the file policy.yaml")

    rules: tuple[Rule, ...] = Field(description="the rules; what none of them allows is denied")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DeclarationProblem(f"two rules have the name {twice[0]!r}", {}, f"name: {twice[0]}-2")
        return self

    def decide(self, principal: str, action: str, resource: str) -> Decision:
        """Return what follows from the rules; where they disagree, the strictest."""
        about = [rule for rule in self.rules if rule.is_about(principal, action, resource)]
        names = tuple(rule.name for rule in about)
        denial = next((rule for rule in about if rule.effect == "deny" and rule.where is None), None)
        if denial is not None:
            return Decision(False, f"the rule {denial.name!r} denies it", names)
        allowing = [rule for rule in about if rule.effect == "allow"]
        if not allowing:
            return Decision(False, "no rule allows it", names)
        masked = frozenset(column.lower() for rule in allowing for column in rule.mask)
        denying = [rule for rule in about if rule.effect == "deny"]
        where = _condition(allowing, denying)
        by = ", ".join(repr(rule.name) for rule in allowing)
        return Decision(True, f"allowed by {by}", names, where, masked)

    def check(self, principal: str, action: str, resource: str) -> Decision:
        """Return the decision when it allows something.

        Raises:
            PolicyError: It does not.
        """
        decision = self.decide(principal, action, resource)
        if not decision.allowed:
            shown = resource[:200]
            raise PolicyError(
                f"the policy does not allow {principal!r} {action} of {shown!r}",
                {"why": decision.why, "policy": FILE_NAME},
                f"headrace policy explain {principal} {action} {shown}",
            )
        return decision


class PolicyFile:
    """The policy of a project folder; read again when it changes.

    Args:
        folder: The project folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._seen: tuple[int, int, int] | None = None
        self._policy: Policy | None = None

    def policy(self) -> Policy | None:
        """Return the policy, None when the project has no such file.

        Raises:
            DeclarationError: The file is wrong.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._policy is None or seen != self._seen:
            self._policy = None
            self._policy = load_document(self._path, Policy, root=self._path.parent)
            self._seen = seen
        return self._policy


def needed_policy(folder: Path) -> Policy:
    """Return the policy of a project.

    Raises:
        PolicyError: It has none.
        DeclarationError: The file is wrong.
    """
    policy = PolicyFile(folder).policy()
    if policy is None:
        raise PolicyError(
            "the project has no policy",
            {"expected": FILE_NAME, "where": str(folder)},
            "docs/policy.md shows one",
        )
    return policy


def _condition(allowing: Sequence[Rule], denying: Sequence[Rule]) -> str | None:
    parts = []
    if all(rule.where is not None for rule in allowing):
        parts.append(" OR ".join(f"({rule.where})" for rule in allowing))
    # Of a row for which a denial is neither true nor false nobody knows that it may be shown.
    parts += [f"coalesce(NOT ({rule.where}), false)" for rule in denying]
    return " AND ".join(f"({part})" for part in parts) or None
