"""Every small change of a declaration: its JSON Schema and its reader agree on it, or differ where the page says so."""

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.contract import Contract
from headrace_ingestion.derived import load_derived
from headrace_ingestion.errors import HeadraceError
from rich_declarations import EVENT, FEATURES, RICH
from schema_cases import CANNOT_SAY, Steps, accepts

from headrace.schemas import KINDS

REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    7,
    -1,
    0,
    1.5,
    1.0,
    "x",
    "",
    "5m",
    "0s",
    "50 rows",
    [],
    {},
    ["x"],
    [7],
    {"x": 1},
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_declaration_has_the_same_verdict_from_both(
    kind: str, verdict_of: Callable[[str, Any], str | None]
) -> None:
    allowed = re.compile("|".join(said for (of, _), said in CANNOT_SAY.items() if of in (kind, "all")))
    refused = 0
    wrong = []
    for what, data in (mutation for whole, below in _small(kind) for mutation in _mutations(whole, below)):
        valid, problem = accepts(kind, data), verdict_of(kind, data)
        refused += problem is not None
        if valid and problem is not None and not allowed.search(problem):
            wrong.append(f"{what}: only the reader refuses: {problem}")
        if not valid and problem is None:
            wrong.append(f"{what}: only the schema refuses")
    assert wrong == []
    assert refused > 100


def _small(kind: str) -> list[tuple[dict[str, Any], Steps]]:
    """Return declarations that use every field between them and are quickly read, and which part of each to change."""
    if kind == "event":
        return _small_events()
    if kind == "policy":
        # A condition is read by DuckDB, each time anew; tests/policy are about it.
        rules = [{name: value for name, value in rule.items() if name != "where"} for rule in RICH[kind]["rules"]]
        return [({"rules": rules}, ())]
    if kind != "features":
        return [(RICH[kind], ())]
    empty = {key: value for key, value in FEATURES.items() if key in ("name", "source", "key", "ttl")}
    derive = {"large": "amount > 100", "twice": "amount * 2"}
    entries = [{**empty, "derive": derive, "features": [entry]} for entry in FEATURES["features"]]
    return [({**FEATURES, "features": FEATURES["features"][:1]}, ()), *((entry, ("features", 0)) for entry in entries)]


def _small_events() -> list[tuple[dict[str, Any], Steps]]:
    needed = {name: EVENT["fields"][name] for name in ("rider", "at")}
    least = {"name": "ride", "version": 2, "key": "rider", "time": "at"}
    bare = {"rider": {"type": "string"}, "at": {"type": "timestamp"}}
    each = [
        ({**least, "fields": {**bare, name: field}}, ("fields", name))
        for name, field in EVENT["fields"].items()
        if name not in needed
    ]
    return [({**EVENT, "fields": needed}, ()), *each]


def _mutations(whole: dict[str, Any], below: Steps) -> Iterator[tuple[str, Any]]:
    for path in _paths(_at(whole, below), below):
        shown = ".".join(map(str, path))
        *above, last = path
        for what, change in {"dropped": _drop, "renamed": _rename}.items():
            if isinstance(last, str) or what == "dropped":
                data = copy.deepcopy(whole)
                change(_at(data, above), last)
                yield f"{shown} {what}", data
        for value in REPLACEMENTS:
            data = copy.deepcopy(whole)
            _at(data, above)[last] = value
            yield f"{shown} = {value!r}", data


def _paths(value: Any, at: Steps) -> Iterator[Steps]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from _paths(inner, (*at, step))


def _at(data: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        data = data[step]
    return data


def _drop(owner: Any, key: str | int) -> None:
    del owner[key]


def _rename(owner: Any, key: str | int) -> None:
    owner[f"{key}_x"] = owner.pop(key)


MERGE: dict[str, Any] = {
    "name": "activity", "version": 1, "key": "rider", "time": "at", "merge": ["ride", "login"],
    "topic": {"partitions": 2}, "description": "what riders do",
}  # fmt: skip
JOIN: dict[str, Any] = {
    "name": "outcome", "version": 1, "key": "rider", "time": "seen_at", "description": "how rides ended",
    "join": {"label": "login", "to": "ride", "by": "ride_id", "delay": "7d", "wait": "1m"},
}  # fmt: skip


@pytest.mark.parametrize("whole", [MERGE, JOIN], ids=["merge", "join"])
def test_an_event_that_is_made_of_others_has_the_same_verdict_from_both(whole: dict[str, Any], tmp_path: Path) -> None:
    bare = {"rider": {"type": "string"}, "ride_id": {"type": "string"}, "at": {"type": "timestamp"}}
    known = {
        name: Contract.model_validate({"name": name, "version": 1, "key": "rider", "time": "at", "fields": bare})
        for name in ("ride", "login")
    }
    file = tmp_path / "made.yaml"

    def problem(data: Any) -> str | None:
        file.write_text(json.dumps(data))
        try:
            if not load_derived(tmp_path, known):
                Contract.load(file)
        except HeadraceError as error:
            return str(error)
        return None

    allowed = re.compile(
        r"which nobody sends and no join makes|'(key|by)' names|has one|two fields|told_at|too long|is 1\.0"
    )
    assert (accepts("event", whole), problem(whole)) == (True, None)
    for what, data in _mutations(whole, ()):
        valid, refusal = accepts("event", data), problem(data)
        assert valid is (refusal is None) or (valid and allowed.search(str(refusal))), (what, valid, refusal)
