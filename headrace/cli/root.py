"""`headrace`: the table of commands, and what becomes of errors."""

import importlib
import sys
from typing import Any, NamedTuple

import click
from headrace_ingestion.errors import HeadraceError, closest


class Entry(NamedTuple):
    """Where a command is, and its line in `headrace --help`: its module is not imported for that."""

    module: str
    help: str


COMMANDS = {
    "init": Entry("headrace.cli.init", "Make a new project from an example."),
    "demo": Entry("headrace.cli.demo", "See the whole way, from an event to an alert, in a fresh project."),
    "up": Entry("headrace.cli.up", "Start the local stack of a project."),
    "down": Entry("headrace.cli.down", "Stop the local stack."),
    "status": Entry("headrace.cli.status", "Show what runs: processes, ports, memory."),
    "logs": Entry("headrace.cli.logs", "Show what the processes print."),
    "doctor": Entry("headrace.cli.doctor", "Look for what could keep a stack from running."),
    "schema": Entry("headrace.cli.schema", "Show the form of the declarations as JSON Schema, for editors."),
    "events": Entry("headrace.cli.events", "Check, send, replay and read events."),
    "features": Entry("headrace.cli.features", "Plan, list, start, verify, reconcile, repair and read features."),
    "lake": Entry("headrace.cli.lake", "Ask SQL over all that has happened."),
    "models": Entry("headrace.cli.models", "Train, compare and promote models."),
    "sinks": Entry("headrace.cli.sinks", "Hand records over to endpoints of others, over HTTP."),
    "serve": Entry("headrace.cli.serve", "Take events and give features over HTTP."),
    "policy": Entry("headrace.cli.policy", "Tell who may read and write what."),
    "bench": Entry("headrace.cli.bench", "Measure this machine."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called. A module holds a `group` or a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of this name, or None when there is none."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        try:
            module = importlib.import_module(entry.module)
        except ModuleNotFoundError as error:
            if error.name != entry.module:
                raise
            raise click.UsageError(f"the command {cmd_name!r} is not part of this installation", ctx) from error
        command: click.Command = getattr(module, "group", None) or module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; the error for an unknown one proposes the closest."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            match = closest(args[0], COMMANDS)
            next_step = f"headrace {match}" if match else "headrace --help"
            raise click.UsageError(
                f"{args[0]!r} is not a command\n  commands:  {', '.join(COMMANDS)}\n  try:       {next_step}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; an expected error is its message on stderr and exit status 1."""
        try:
            return super().main(*args, **kwargs)
        except HeadraceError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.exit(1)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headrace", prog_name="headrace")
def root() -> None:
    """Event stream to features to model to score, from one set of declarations.

    Data goes to stdout, progress and logs to stderr. Exit status: 0 ok, 1 failed, 2 usage.
    """
