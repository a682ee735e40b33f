"""docs/settings.md, made from the fields of `Settings`: `python -m headrace.settings.table > docs/settings.md`."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from headrace_ingestion.durations import format_duration
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from headrace.settings import Settings, variable_of

_NAMES = {int: "integer", float: "number", str: "text", bool: "truth value", timedelta: "duration"}

_HEAD = """\
# Settings

A setting is read from the first of these that has it: a flag (`headrace up --set kafka.port=9092`), the environment
(`HEADRACE_KAFKA__PORT=9092`), `headrace.yaml` of the project folder, the default. Secrets belong in the environment.

```yaml
# headrace.yaml
name: roaming
kafka:
  port: 9092
```
"""


def settings_table() -> str:
    """Return the whole page, as Markdown."""
    parts = [_HEAD, _table("Project", (), Settings)]
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            parts.append(_table(f"`{name}`", (name,), section))
    return "\n".join(parts)


def _table(title: str, place: tuple[str, ...], section: type[BaseModel]) -> str:
    lines = [f"## {title}", "", (section.__doc__ or "").strip(), ""]
    lines += ["| setting | variable | type | default | meaning |", "|---|---|---|---|---|"]
    lines += [_row((*place, name), field) for name, field in section.model_fields.items() if not _is_section(field)]
    return "\n".join(lines) + "\n"


def _row(place: tuple[str, ...], field: FieldInfo) -> str:
    default = "required" if field.default is PydanticUndefined else _text(field.default)
    variable = f"`{variable_of(place)}`" if len(place) > 1 else "none"
    kinds = ", ".join(_kinds(field.annotation))
    return f"| `{'.'.join(place)}` | {variable} | {kinds} | {default} | {field.description} |"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _text(default: object) -> str:
    if isinstance(default, timedelta):
        return f"`{format_duration(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if default in ({}, ()):
        return "empty"
    return "none" if default is None else f"`{default}`" if default != "" else "empty"


def _kinds(annotation: Any) -> Iterator[str]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is Literal:
        yield from (f"`{choice}`" for choice in get_args(annotation))
    elif annotation is SecretStr:
        yield "secret"
    elif origin is dict:
        yield "mapping"
    elif origin is tuple:
        yield "list"
    elif annotation is not NoneType:
        yield _NAMES.get(annotation) or _kind_of_annotated(annotation)


def _kind_of_annotated(annotation: Any) -> str:
    # `Annotated[int, …] | None` keeps its annotation inside the union.
    return next(_kinds(get_args(annotation)[0]))


if __name__ == "__main__":
    sys.stdout.write(settings_table())
