"""`headrace serve`: events in and features out over HTTP, and the keys for it."""

import os
import sys
from datetime import UTC, datetime

import click

from headrace.cli.common import Invocation, common_options


@click.group(invoke_without_command=True)
@click.option("--host", help="Address to listen on; default: http.host, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0: a free one; default: http.port.")
@common_options
def group(call: Invocation, host: str | None, port: int | None) -> None:
    """Take events and give features over HTTP, until Ctrl-C; its page is /docs.

    Without API keys it listens on this machine's own address alone.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    from headrace.http.server import Listener
    from headrace.stack.leash import LEASH_VARIABLE, hold_leash
    from headrace.workers.runtime import set_up_logging

    if os.environ.get(LEASH_VARIABLE):
        hold_leash()
    set_up_logging(call.project.settings.log)
    listener = Listener(call.project, host, port)

    def tell() -> None:
        call.output.data({"url": listener.url}, f"serving {call.project.settings.name} on {listener.url}")
        sys.stdout.flush()

    listener.serve(listener.server(tell))


@group.group()
def keys() -> None:
    """Make, list and remove API keys."""


@keys.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="What it allows: events:write, events:write:EVENT, …")
@common_options
def add(call: Invocation, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and show it, this once; the file holds its hash alone."""
    from headrace.http.keys import check_scopes, project_keys

    check_scopes(call.project, scopes)
    key = project_keys(call.project).add(name, scopes, datetime.now(UTC))
    call.output.data({"name": name, "scopes": scopes, "key": key}, key)


@keys.command(name="list")
@common_options
def list_(call: Invocation) -> None:
    """List the keys by name; the keys themselves are stored nowhere."""
    from headrace.http.keys import project_keys

    rows = [(key.name, " ".join(key.scopes), key.created_at) for key in project_keys(call.project).stored()]
    call.output.table(("name", "scopes", "created_at"), rows, empty="no keys")


@keys.command()
@click.argument("name")
@common_options
def remove(call: Invocation, name: str) -> None:
    """Remove a key; running servers refuse it from now on."""
    from headrace.http.keys import project_keys

    project_keys(call.project).remove(name)
    call.output.data({"removed": name}, f"removed {name}")
