"""A YAML file of a project → a frozen pydantic model; errors name file, line, what exists and what to type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace_ingestion.errors import DeclarationError, closest
from headrace_ingestion.model_shape import allowed_values, known_fields, model_at, noun
from headrace_ingestion.problems import DeclarationProblem
from headrace_ingestion.yaml_source import DataPath, Document, read_document, shown_path

__all__ = [
    "DataPath",
    "DeclarationProblem",
    "Document",
    "declaration_error",
    "declared_in",
    "load_document",
    "load_folder",
    "problem_error",
    "read_document",
]

M = TypeVar("M", bound=BaseModel)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def load_document(
    path: Path, model: type[M], *, context: Mapping[str, Any] | None = None, root: Path | None = None
) -> M:
    """Return the model that the YAML file declares.

    Args:
        path: The file.
        model: A pydantic model; `title` in its config is what messages call it ("a feature").
        context: Handed to the validators of the model (`ValidationInfo.context`).
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: The file cannot be read, or does not declare a valid `model`.
    """
    return declared_in(read_document(path, root=root), model, context=context)


def declared_in(document: Document, model: type[M], *, context: Mapping[str, Any] | None = None) -> M:
    """Return the model that a document declares; see `load_document`.

    Raises:
        DeclarationError: It does not declare a valid `model`.
    """
    try:
        return model.model_validate(document.data, context=dict(context or {}))
    except ValidationError as error:
        raise declaration_error(document, model, error) from error


def load_folder(folder: Path, load: Callable[[Path], N], noun: str, *, root: Path | None = None) -> dict[str, N]:
    """Return what the files `*.yaml` of a folder declare by name, in the order of the file names.

    Args:
        folder: The folder; one that is not there declares nothing.
        load: Reads a file.
        noun: What messages call what a file declares: "view".
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file is wrong, or two declare the same name.
    """
    found: dict[str, N] = {}
    first: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        one = load(path)
        shown = shown_path(path, root)
        if one.name in found:
            raise DeclarationError(
                f"{shown}: the {noun} {one.name!r} is declared twice",
                {"first": first[one.name], "expected": f"one declaration a {noun}"},
                "rename or remove one of the two",
                path=shown,
            )
        found[one.name], first[one.name] = one, shown
    return found


def declaration_error(document: Document, model: type[BaseModel], error: ValidationError) -> DeclarationError:
    """Return the first problem of `error`, by line, as an error that names its place in `document`."""
    problems = _causes(error.errors(include_url=False))
    # An unknown key often is the cause of a missing one (`kye: subscriber_id`): name the cause.
    first = min(problems, key=lambda p: (p["type"] != "extra_forbidden", document.line_of(_place(document, p)[0])))
    more = len(problems) - 1
    place, below = _place(document, first)
    failure, facts, try_ = _explain(document, model, first, place, below)
    if more:
        facts = {**facts, "more": f"{more} further problem{'s' if more > 1 else ''} in this file"}
    return problem_error(document, DeclarationProblem(failure, facts, try_, place))


def problem_error(document: Document, problem: DeclarationProblem) -> DeclarationError:
    """Return a problem, whose path begins at the top of `document`, as an error that names its place there."""
    line = document.line_of(problem.path)
    failure = f"{document.shown} line {line}: {problem.failure}"
    return DeclarationError(failure, problem.exists, problem.try_, path=document.shown, line=line)


def _causes(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where that is only because its entries are wrong."""
    places = [problem["loc"] for problem in problems]

    def follows(problem: ErrorDetails) -> bool:
        here = problem["loc"]
        return problem["type"] == "too_short" and any(p != here and p[: len(here)] == here for p in places)

    return [problem for problem in problems if not follows(problem)]


def _place(document: Document, problem: ErrorDetails) -> tuple[DataPath, DataPath]:
    """Return (where in the data the problem is, the rest of its location: names that are not there)."""
    at: DataPath = ()
    rest: list[str | int] = []
    location = problem["loc"]
    for step in location:
        # A location also holds names that are no keys: tags of unions, names of validators.
        if (*at, step) in document.lines:
            at = (*at, step)
            rest = []
        else:
            rest.append(step)
    cause = _cause(problem)
    if cause is not None:
        for step in cause.path:
            at = (*at, step) if (*at, step) in document.lines else at
    return at, tuple(rest)


def _cause(problem: ErrorDetails) -> DeclarationProblem | None:
    cause = problem.get("ctx", {}).get("error")
    return cause if isinstance(cause, DeclarationProblem) else None


def _explain(
    document: Document, model: type[BaseModel], problem: ErrorDetails, place: DataPath, below: DataPath
) -> tuple[str, dict[str, str], str | None]:
    cause = _cause(problem)
    if cause is not None:
        return cause.failure, cause.exists, cause.try_
    kind = problem["type"]
    if kind == "extra_forbidden":
        return _unknown_key(model, problem)
    if kind == "missing":
        return _missing_key(document, model, problem, place, below)
    name = ".".join(str(step) for step in place) or "the file"
    got = _shown_value(problem["input"])
    choices = allowed_values(problem)
    if choices:
        return f"{name!r} is {got}", {"allowed": ", ".join(choices)}, closest(str(problem["input"]), choices)
    if kind in ("model_type", "model_attributes_type"):
        owner = model_at(model, problem["loc"])
        return f"{name!r} is {got}", {"expected": f"a mapping of {', '.join(known_fields(owner or model))}"}, None
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{name!r} is {got}", {"expected": message}, f"{place[-1]}: …" if place else None


def _unknown_key(model: type[BaseModel], problem: ErrorDetails) -> tuple[str, dict[str, str], str | None]:
    key = str(problem["loc"][-1])
    owner = model_at(model, problem["loc"][:-1])
    fields = known_fields(owner) if owner is not None else ()
    failure = f"{key!r} is not a known field of {noun(owner or model)}"
    return failure, {"fields": ", ".join(fields)}, closest(key, fields) or "remove the line"


def _missing_key(
    document: Document, model: type[BaseModel], problem: ErrorDetails, place: DataPath, below: DataPath
) -> tuple[str, dict[str, str], str | None]:
    key = str(problem["loc"][-1])
    owner = model_at(model, problem["loc"][:-1])
    name = ".".join(str(step) for step in place)
    where = f"{name!r}" if name else noun(owner or model)
    there = _value_at(document.data, place)
    given = ", ".join(str(k) for k in there) if isinstance(there, dict) else ""
    fields = ", ".join(known_fields(owner) if owner else ())
    return f"{where} has no {key!r}", {"fields": fields, "given": given}, f"{key}: …"


def _value_at(data: Any, path: DataPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _shown_value(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
