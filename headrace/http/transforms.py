"""The hook of the way in: a function of the project, called with each record of a request before its contract is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace_ingestion.errors import SettingsError, closest

from headrace.events.fixes import NotMended, project_function, transformed
from headrace.project import Project

Transform = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The function returned None: the record is not sent."""


@dataclass(frozen=True, slots=True)
class NotShaped:
    """The function failed on the record, or returned what is no record.

    Attributes:
        detail: How.
    """

    detail: str


def transforms_of(project: Project) -> dict[str, Transform]:
    """Return the functions of `http.transforms` by event.

    Raises:
        SettingsError: An event is not declared, or nobody sends it.
        FixError: There is no such function.
    """
    found: dict[str, Transform] = {}
    for event, name in project.settings.http.transforms.items():
        if event not in project.contracts:
            raise SettingsError(
                f"http.transforms names the event {event!r}, which nobody sends",
                {"events": ", ".join(project.contracts) or "none"},
                closest(event, project.contracts) or f"events/{event}.yaml",
            )
        found[event] = project_function(name, project.folder, "record")
    return found


def shaped(transform: Transform, record: dict[str, Any]) -> dict[str, Any] | LeftOut | NotShaped:
    """Return what the function makes of a record."""
    try:
        found = transformed(transform, record)
    except NotMended as error:
        return NotShaped(str(error))
    if found is None:
        return LeftOut()
    if not isinstance(found, Mapping):
        return NotShaped(f"the transform returned {type(found).__name__}, expected a record or None")
    return dict(found)
