"""Reading tables under a policy: what of a table a principal is shown, noted in the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace_lake.audit import Note

from headrace.policy.audit import Audit
from headrace.policy.rules import Policy, PolicyError, needed_policy

if TYPE_CHECKING:
    from headrace_lake.guarded import Guard, Shown

    from headrace.project import Project

READ: str = "sql:read"


def copies_of(project: Project) -> dict[str, str]:
    """Return the tables of events by another key → the table of the event, whose rules hold for them."""
    return {f"events.{rekeyed.table}": f"events.{rekeyed.name}" for rekeyed in project.rekeyed.values()}


def guard_of(policy: Policy, principal: str, query: str, via: str, audit: Audit, copies: Mapping[str, str]) -> Guard:
    """Return the guard of one query.

    Args:
        policy: The rules.
        principal: Who asks.
        query: The query, for the audit.
        via: How it came.
        audit: Takes a note for each table.
        copies: Tables that the rules of another one hold for.
    """

    def shown(table: str) -> Shown:
        from headrace_lake.guarded import Shown

        try:
            decision = policy.check(principal, READ, copies.get(table, table))
        except PolicyError as error:
            audit.note(Note(principal, via, READ, table, "denied", _why(error), query))
            raise
        audit.note(Note(principal, via, READ, table, "allowed", decision.why, query))
        return Shown(decision.where, decision.masked)

    return shown


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
