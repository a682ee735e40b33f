"""`headrace policy`: what the rules of policy.yaml say."""

import sys

import click

from headrace.cli.common import Invocation, common_options


@click.group()
def group() -> None:
    """Tell who may read and write what."""


@group.command()
@click.argument("principal")
@click.argument("action", type=click.Choice(["events:write", "features:read", "sql:read"]))
@click.argument("resource")
@common_options
def explain(call: Invocation, principal: str, action: str, resource: str) -> None:
    """Show the decision about a principal, an action and a resource; exit status 1 when it is not allowed."""
    from headrace.policy.origins import copies_of
    from headrace.policy.reading import READ, decide_table
    from headrace.policy.rules import needed_policy

    policy = needed_policy(call.project.folder)
    if action == READ:
        decision = decide_table(policy, principal, resource, copies_of(call.project))
    else:
        decision = policy.decide(principal, action, resource)
    call.output.record(
        {
            "allowed": decision.allowed,
            "why": decision.why,
            "rules": ", ".join(decision.rules) or None,
            "where": decision.where,
            "masked": ", ".join(sorted(decision.masked)) or None,
        }
    )
    if not decision.allowed:
        sys.exit(1)
