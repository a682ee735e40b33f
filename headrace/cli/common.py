"""Options that every command has, through one decorator: `--output`, `--project`, `--set`."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from headrace.cli.output import Output

if TYPE_CHECKING:
    from headrace.project import Project

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Invocation:
    """What the common options ask for.

    Attributes:
        output: How to answer.
        folder: The project folder; None looks upward from the current one.
        flags: Dotted name of a setting → its text.
    """

    output: Output
    folder: Path | None = None
    flags: dict[str, str] = field(default_factory=dict)

    @cached_property
    def project(self) -> "Project":
        """The project, opened when it is first asked for.

        Raises:
            DeclarationError: There is none, or its `headrace.yaml` is wrong.
            SettingsError: A flag or a variable of the environment is wrong.
        """
        from headrace.project import open_project

        return open_project(self.folder, flags=self.flags)


def common_options(command: Callable[Concatenate[Invocation, P], R]) -> Callable[P, R]:
    """Add the common options to a command and hand it an `Invocation` as its first argument."""

    @click.option(
        "--output",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Answer for people or for programs.",
    )
    @click.option(
        "--project",
        "folder",
        type=click.Path(path_type=Path),
        envvar="HEADRACE_PROJECT",
        help="Project folder; default: the nearest one from here upward with headrace.yaml.",
    )
    @click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parsed_settings,
        help="A setting for this call, such as kafka.port=9092.",
    )
    @functools.wraps(command)
    def with_invocation(*args: Any, **kwargs: Any) -> R:
        output = Output(kwargs.pop("output_format"))
        invocation = Invocation(output, kwargs.pop("folder"), kwargs.pop("settings"))
        return command(invocation, *args, **kwargs)

    return with_invocation


def _parsed_settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for pair in value:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE, such as kafka.port=9092", ctx, param)
        parsed[name] = text
    return parsed
