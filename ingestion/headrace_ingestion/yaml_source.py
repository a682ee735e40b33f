"""YAML text → plain data and the line of every value. Knows nothing of declarations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headrace_ingestion.errors import DeclarationError

DataPath = tuple[str | int, ...]
"""Keys and indexes from the top of a document to a value."""


@dataclass(frozen=True)
class Document:
    """A YAML file as data.

    Attributes:
        path: The file.
        shown: Its name in messages: relative to the project folder where one was given.
        data: The mapping at the top.
        lines: Path of each value → its line, from 1. A value of a mapping has the line of its key.
    """

    path: Path
    shown: str
    data: dict[str, Any]
    lines: Mapping[DataPath, int]

    def line_of(self, path: DataPath) -> int:
        """Return the line of the value at `path`, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types only: in 1.1 a country `NO` is false, `12:30` is 750 and a date is an object."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own mutable class attribute, replaced here)


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})\\Z"), _first)


_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "null", "bool", "int", "float"))


def _decimal_integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    # PyYAML's own reads 010 as eight.
    return int(loader.construct_scalar(node))


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal_integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_document(path: Path, *, root: Path | None = None) -> Document:
    """Return the YAML mapping in `path` with the line of every value.

    Args:
        path: The file, UTF-8.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: The file is missing, unreadable, empty, not YAML, not a mapping, or has a key twice.
    """
    shown = shown_path(path, root)
    text = _text(path, shown)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            raise DeclarationError(
                f"{shown} is empty", {"expected": "a mapping, such as name: call"}, "name: call", path=shown
            )
        if not isinstance(node, yaml.MappingNode):
            raise DeclarationError(
                f"{shown} line {node.start_mark.line + 1}: the top of the file is not a mapping",
                {"expected": "key: value lines"},
                "name: call",
                path=shown,
                line=node.start_mark.line + 1,
            )
        lines: dict[DataPath, int] = {(): node.start_mark.line + 1}
        data = _construct(loader, node, (), lines, shown, frozenset())
    except yaml.YAMLError as error:
        raise _not_yaml(error, shown) from error
    finally:
        loader.dispose()
    return Document(path, shown, data, lines)


def shown_path(path: Path, root: Path | None) -> str:
    """Return the name of a file in messages: relative to the project folder where it is in there."""
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    return str(path)


def _text(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        folder = path.parent
        there = ", ".join(sorted(p.name for p in folder.glob("*.yaml"))) if folder.is_dir() else ""
        raise DeclarationError(
            f"{shown} does not exist",
            {"folder": str(folder), "files": there or "no *.yaml"},
            f"ls {folder}",
            path=shown,
        ) from error
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{shown} is not UTF-8: byte {error.start}", {"expected": "UTF-8 text"}, "save it as UTF-8", path=shown
        ) from error
    except OSError as error:
        raise DeclarationError(
            f"{shown} cannot be read: {error.strerror}", {"expected": "a readable file"}, f"ls -l {path}", path=shown
        ) from error


def _not_yaml(error: yaml.YAMLError, shown: str) -> DeclarationError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f"{shown} line {line}" if line else shown
    return DeclarationError(
        f"{where}: not YAML: {problem}",
        {"expected": "key: value lines, indented by spaces, text with : or # in quotes"},
        "correct the line",
        path=shown,
        line=line,
    )


def _construct(
    loader: _Loader, node: yaml.Node, path: DataPath, lines: dict[DataPath, int], shown: str, open_: frozenset[int]
) -> Any:
    if id(node) in open_:
        raise yaml.constructor.ConstructorError(None, None, "an alias that contains itself", node.start_mark)
    if node.tag not in _TAGS:
        raise yaml.constructor.ConstructorError(None, None, f"the tag {node.tag} is not known here", node.start_mark)
    inside = open_ | {id(node)}
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _construct(loader, key_node, (*path, "?"), {}, shown, inside)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                # `1: x` or `true: x`: the keys of declarations are names.
                key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key)
            if key in found:
                raise _twice(key, line, lines[(*path, key)], shown)
            lines[(*path, key)] = line
            found[key] = _construct(loader, value_node, (*path, key), lines, shown, inside)
        return found
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            items.append(_construct(loader, item, (*path, index), lines, shown, inside))
        return items
    return loader.construct_object(node)


def _twice(key: str, line: int, first: int, shown: str) -> DeclarationError:
    return DeclarationError(
        f"{shown} line {line}: {key!r} stands twice",
        {"first": f"line {first}"},
        "keep one of the two",
        path=shown,
        line=line,
    )
