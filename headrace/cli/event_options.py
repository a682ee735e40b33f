"""Options of `events check` and `events replay`: how rows become events, how fast, and from when to when."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

R = TypeVar("R")


def parsed_speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Return the factor of the pace, None for `max`."""
    if value == "max":
        return None
    try:
        factor = float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise click.BadParameter(f"{value!r} is neither a number above zero nor max, such as 60", ctx, param)
    return factor


def parsed_time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return the instant; one without a zone is UTC."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a time, such as 2026-01-31T00:00:00Z", ctx, param) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def reading_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how rows become events; the command gets `reading` and `form`."""

    @click.option(
        "--map",
        "columns",
        multiple=True,
        metavar="FIELD=COLUMN",
        callback=_pairs,
        help="The column that a field takes.",
    )
    @click.option(
        "--value",
        "constants",
        multiple=True,
        metavar="FIELD=TEXT",
        callback=_pairs,
        help="The same value in every row; {stem}, {parent} and {name} stand for parts of the file's path.",
    )
    @click.option(
        "--key",
        metavar="COLUMN|TEXT",
        help="What stands in the key field: a column, or a text such as {parent}/{stem}.",
    )
    @click.option(
        "--shift", "shifts", multiple=True, metavar="FIELD=DURATION", callback=_pairs, help="Move a timestamp: at=24h."
    )
    @click.option("--event-id", metavar="COLUMN", help="Column of the event's id; default: event_id where it is.")
    @click.option("--time-zone", metavar="ZONE", help="Zone of timestamps that have none; default: UTC.")
    @click.option(
        "--format",
        "form",
        type=click.Choice(["csv", "jsonl", "parquet"]),
        help="Format of the files; default: as their names say.",
    )
    @functools.wraps(command)
    def with_reading(*args: Any, **kwargs: Any) -> R:
        from headrace_ingestion.documents import DeclarationProblem
        from headrace_ingestion.durations import parse_duration

        from headrace.events.errors import MappingError
        from headrace.events.mapping import Reading

        said = {name: kwargs.pop(name) for name in ("columns", "constants", "key", "shifts", "event_id", "time_zone")}
        try:
            said["shifts"] = {name: parse_duration(text) for name, text in said["shifts"].items()}
        except DeclarationProblem as problem:
            raise MappingError(f"--shift: {problem.failure}", problem.exists, problem.try_) from problem
        return command(*args, reading=Reading(**said), **kwargs)

    return with_reading


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in value:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{pair!r} is not {param.metavar}", ctx, param)
        pairs[name] = text
    return pairs
