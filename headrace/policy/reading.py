"""Reading tables under a policy: what of a table a principal is shown, noted in the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace_lake.audit import Note

from headrace.policy.audit import Audit
from headrace.policy.origins import Origin, copies_of
from headrace.policy.rules import Policy, PolicyError, needed_policy

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

        origins = copies.get(table, (Origin(table),))
        try:
            decisions = [policy.check(principal, READ, origin.table) for origin in origins]
        except PolicyError as error:
            audit.note(Note(principal, via, READ, table, "denied", _why(error), query))
            raise
        why = "; ".join(dict.fromkeys(decision.why for decision in decisions))
        audit.note(Note(principal, via, READ, table, "allowed", why, query))
        pairs = list(zip(origins, decisions, strict=True))
        conditions = [origin.condition(decision.where) for origin, decision in pairs if decision.where is not None]
        masked = frozenset(name for origin, decision in pairs for name in origin.columns(decision.masked))
        return Shown(" AND ".join(f"({one})" for one in dict.fromkeys(conditions)) or None, masked)

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
