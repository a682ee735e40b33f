"""What a pydantic model looks like to the author of a file: which fields stand where, and what they are called."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def known_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys that the file may use, in the order of the model."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def noun(model: type[BaseModel]) -> str:
    """Return what messages call the model, with its article: "a feature", "an event"."""
    name = model.model_config.get("title") or model.__name__.lower()
    if name.startswith(("a ", "an ", "the ")):
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def model_at(annotation: Any, location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model whose fields stand at `location` below `annotation`, or None when there is none.

    Args:
        annotation: A model or any type of a model's field.
        location: A pydantic error location; names of union members in it are skipped.
    """
    return next(_models_at(annotation, tuple(location)), None)


def allowed_values(problem: ErrorDetails) -> tuple[str, ...]:
    """Return the closed set that the value is not one of, or nothing when the problem is another."""
    context = problem.get("ctx", {})
    text = context.get("expected") or context.get("expected_tags")
    if problem["type"] not in ("literal_error", "enum", "union_tag_invalid") or not isinstance(text, str):
        return ()
    return tuple(part.strip().strip("'") for part in text.replace(" or ", ", ").split(", "))


def _models_at(annotation: Any, location: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _models_at(get_args(annotation)[0], location)
    elif origin in (Union, types.UnionType):
        yield from _members_at(get_args(annotation), location)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            yield annotation
        elif (field := _field(annotation, location[0])) is not None:
            yield from _models_at(field, location[1:])
        else:
            yield from _models_at(annotation, location[1:])
    elif isinstance(origin, type) and issubclass(origin, Mapping) and location:
        yield from _models_at(get_args(annotation)[-1], location[1:])
    elif isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)) and location:
        yield from _models_at(get_args(annotation)[0], location[1:])


def _members_at(members: tuple[Any, ...], location: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    if location:
        for member in members:
            # The location names the member that pydantic tried: by its tag, or by its class.
            if location[0] in _tags(member):
                yield from _models_at(member, location[1:])
                return
    for member in members:
        yield from _models_at(member, location)


def _tags(member: Any) -> set[Any]:
    tags: set[Any] = set()
    if get_origin(member) is Annotated:
        inner, *metadata = get_args(member)
        return _tags(inner) | {tag for tag in (getattr(item, "tag", None) for item in metadata) if tag}
    if isinstance(member, type) and issubclass(member, BaseModel):
        tags.add(member.__name__)
        for field in member.model_fields.values():
            if get_origin(field.annotation) is Literal:
                tags.update(get_args(field.annotation))
    return tags


def _field(model: type[BaseModel], name: str | int) -> Any:
    for key, field in model.model_fields.items():
        if name in (key, field.alias):
            return field.annotation
    return None
