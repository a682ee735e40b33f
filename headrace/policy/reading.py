"""Reading tables under a policy: what of a table a principal is shown, noted in the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace_lake.audit import Note

from headrace.policy.audit import Audit
from headrace.policy.origins import Origin, copies_of
from headrace.policy.rules import Decision, Policy, PolicyError, needed_policy

if TYPE_CHECKING:
    from headrace_lake.guarded import Guard, Shown

    from headrace.project import Project

READ: str = "sql:read"


def guard_of(
    policy: Policy, principal: str, query: str, via: str, audit: Audit, copies: Mapping[str, tuple[Origin, ...]]
) -> Guard:
    """Return the guard of one query.

    Args:
        policy: The rules.
        principal: Who asks.
        query: The query, for the audit.
        via: How it came.
        audit: Takes a note for each table.
        copies: Tables that the rules of others hold for.
    """

    def shown(table: str) -> Shown:
        from headrace_lake.guarded import Shown

        try:
            for origin in _origins(table, copies):
                policy.check(principal, READ, origin.table)
        except PolicyError as error:
            audit.note(Note(principal, via, READ, table, "denied", _why(error), query))
            raise
        decision = decide_table(policy, principal, table, copies)
        audit.note(Note(principal, via, READ, table, "allowed", decision.why, query))
        return Shown(decision.where, decision.masked)

    return shown


def decide_table(policy: Policy, principal: str, table: str, copies: Mapping[str, tuple[Origin, ...]]) -> Decision:
    """Return the decision about reading a table, by the rules of all tables whose rules hold for it.

    Args:
        policy: The rules.
        principal: Who asks.
        table: `<schema>.<name>`.
        copies: Tables that the rules of others hold for.
    """
    pairs = [(origin, policy.decide(principal, READ, origin.table)) for origin in _origins(table, copies)]
    denied = next((decision for _, decision in pairs if not decision.allowed), None)
    if denied is not None:
        return denied
    if [origin for origin, _ in pairs] == [Origin(pairs[0][0].table)]:
        # A table by itself, or the same events by another key: the decision as the rules made it.
        return pairs[0][1]
    conditions = [origin.condition(decision.where) for origin, decision in pairs if decision.where is not None]
    return Decision(
        True,
        "; ".join(dict.fromkeys(decision.why for _, decision in pairs)),
        tuple(dict.fromkeys(name for _, decision in pairs for name in decision.rules)),
        " AND ".join(f"({one})" for one in dict.fromkeys(conditions)) or None,
        frozenset(name for origin, decision in pairs for name in origin.columns(decision.masked)),
    )


def _origins(table: str, copies: Mapping[str, tuple[Origin, ...]]) -> tuple[Origin, ...]:
    return copies.get(table, (Origin(table),))


@contextmanager
def audited_guard(project: Project, principal: str, query: str) -> Iterator[Guard]:
    """Yield the guard of one query of the command line, and write down at the end what it was asked for.

    Raises:
        PolicyError: The project has no policy.
        DeclarationError: The policy is wrong.
        LakeWriteError: The audit could not be written; then nothing is to be shown.
    """
    from headrace.tables import lake_path

    audit = Audit(lake_path(project))
    try:
        yield guard_of(needed_policy(project.folder), principal, query, "command line", audit, copies_of(project))
    finally:
        audit.flush()


def _why(error: PolicyError) -> str:
    return next((line.partition("why:")[2].strip() for line in str(error).splitlines() if "why:" in line), "denied")
