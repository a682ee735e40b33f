"""A contract → a Python module with a typed, frozen dataclass of the event, and one for each object inside."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from textwrap import indent

from headrace_ingestion.checks import field_check
from headrace_ingestion.contract import Contract
from headrace_ingestion.fields import Field
from headrace_ingestion.timestamps import format_timestamp

_TYPES = {
    "string": "str", "enum": "str", "bool": "bool", "int": "int", "long": "int", "double": "float",
    "decimal": "Decimal", "timestamp": "datetime", "date": "date",
}  # fmt: skip
_IMPORTS = {
    "collections.abc": ("Mapping",),
    "dataclasses": ("dataclass",),
    "datetime": ("date", "datetime"),
    "decimal": ("Decimal",),
    "typing": ("Any", "Final", "Literal"),
}
_HEAD = '''\
"""The event `{event}`, version {version}. Made by `headrace events codegen {event}`: change its contract instead."""

from __future__ import annotations

{imports}

__all__ = [{names}]

CONTRACT: Final = "{label}"
"""Name and version of the contract."""
'''


def python_module(contract: Contract) -> str:
    """Return the source of the module. It needs Python 3.10 and nothing else, and passes a strict type checker.

    The class of the event is called after it (`order_paid` → `OrderPaid`); its `fields()` are what `Producer.send`
    takes. Fields with the name of a keyword, or `fields`, end in an underscore there.
    """
    classes = list(_classes(_class_name(contract.name), contract.fields, contract.description or ""))
    sources = [source for _, source in classes]
    names = ["CONTRACT", *sorted(name for name, _ in classes)]
    head = _HEAD.format(
        event=contract.name,
        version=contract.version,
        label=contract.label,
        names=", ".join(map(_literal, names)),
        imports="\n".join(_imports("".join(sources) + " Final")),
    )
    return "\n\n".join([head, *sources])


def _imports(source: str) -> Iterator[str]:
    """Yield the imports of the names that the source uses."""
    used = set(re.findall(r"\w+", source))
    for module, names in _IMPORTS.items():
        wanted = [name for name in names if name in used]
        if wanted:
            yield f"from {module} import {', '.join(wanted)}"


def _literal(value: object) -> str:
    """Return a value as Python writes it, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _classes(name: str, fields: Mapping[str, Field], about: str) -> Iterator[tuple[str, str]]:
    """Yield the classes of the objects inside, and then that of the fields."""
    for field_name, field in fields.items():
        yield from _inner_classes(f"{name}{_class_name(field_name)}", field)
    lines = [_declared(name, field_name, field) for field_name, field in fields.items()]
    values = [
        f"{_literal(field_name)}: {_sent(f'self.{_attribute(field_name)}', field)},"
        for field_name, field in fields.items()
    ]
    docs = [f"{_attribute(field_name)}: {_about(field)}" for field_name, field in fields.items()]
    summary = " ".join(about.split()).rstrip(".") or f"What the contract calls {name}"
    parts = [
        '"""' + _text(summary) + ".\n\nAttributes:\n" + indent("\n".join(docs), "    ") + '\n"""',
        "\n".join(lines),
        "def fields(self) -> dict[str, Any]:\n"
        '    """Return the fields as `Producer.send` takes them."""\n'
        "    return {\n" + indent("\n".join(values), " " * 8) + "\n    }",
    ]
    body = indent("\n\n".join(parts), "    ")
    yield name, f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}:\n{body}\n"


def _inner_classes(name: str, field: Field) -> Iterator[tuple[str, str]]:
    if field.type == "object":
        yield from _classes(name, field.fields or {}, field.description or "")
    elif field.inner:
        yield from _inner_classes(name, next(iter(field.inner.values())))


def _declared(owner: str, name: str, field: Field) -> str:
    default = ""
    if field.default is not None:
        default = f" = {_default(name, field)}"
    elif not field.required:
        default = " = None"
    return f"{_attribute(name)}: {_or_none(f'{owner}{_class_name(name)}', field)}{default}"


def _or_none(name: str, field: Field) -> str:
    is_none = not field.required and field.default is None
    return _type(name, field) + (" | None" if is_none else "")


def _type(name: str, field: Field) -> str:
    inner = next(iter(field.inner.values()), None)
    if field.type == "object":
        return name
    if field.type == "list" and inner is not None:
        return f"tuple[{_or_none(name, inner)}, ...]"
    if field.type == "map" and inner is not None:
        return f"Mapping[str, {_or_none(name, inner)}]"
    if field.allowed is not None:
        return f"Literal[{', '.join(map(_literal, field.allowed))}]"
    return _TYPES[field.type]


def _sent(value: str, field: Field, depth: int = 0) -> str:
    """Return the expression of a value as `Producer.send` takes it: only objects are other in a class."""
    if not _holds_object(field):
        return value
    inner, one = next(iter(field.inner.values())), f"one_{depth}"
    if field.type == "object":
        made = f"{value}.fields()"
    elif field.type == "list":
        made = f"[{_sent(one, inner, depth + 1)} for {one} in {value}]"
    else:
        made = f"{{key: {_sent(one, inner, depth + 1)} for key, {one} in {value}.items()}}"
    return made if field.required else f"None if {value} is None else {made}"


def _holds_object(field: Field) -> bool:
    return field.type == "object" or any(_holds_object(one) for one in field.inner.values())


def _default(name: str, field: Field) -> str:
    value = field_check(name, field)(field.default)
    if field.type == "timestamp":
        return f'datetime.fromisoformat("{format_timestamp(value).removesuffix("Z")}+00:00")'
    if field.type == "date":
        return f'date.fromisoformat("{value}")'
    return f'Decimal("{value}")' if field.type == "decimal" else _literal(value)


def _about(field: Field) -> str:
    words = " ".join((field.description or f"Of the type {field.type}").split()).rstrip(".")
    return _text(words + (f", in {field.unit}" if field.unit else "")) + "."


def _text(words: str) -> str:
    return words.replace("\\", "\\\\").replace('"""', "'''").removesuffix('"')


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _attribute(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name == "fields" else name
