"""The JSON Schema of a file and its reader agree on what may stand there."""

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from headrace_features.resolve import load_view
from headrace_ingestion.contract import Contract
from headrace_ingestion.derived import load_derived
from headrace_ingestion.documents import load_document
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.yaml_source import read_document
from headrace_lake.rollups.declaration import RollupDeclaration
from headrace_models.declaration import ModelDeclaration
from hypothesis import HealthCheck, given, settings
from rich_declarations import EVENT, FEATURES, RICH
from view_cases import declarations

from headrace.external import ExternalDeclaration
from headrace.policy.rules import Policy
from headrace.schemas import KINDS, project_schema
from headrace.settings import load_settings
from headrace.sinks.declaration import SinkDeclaration
from headrace.templates import examples

DOCUMENT = Path(__file__).parents[2] / "docs" / "editors.md"
# What a schema cannot say, as docs/editors.md tells it, and what the reader says then.
CANNOT_SAY = {
    ("event", "`key` and `time` name fields of the event, of fitting types, that are required"):
        r"'(key|time)' (names the field|is the field)",
    ("event", "`minimum` is not above `maximum`"): r"'minimum' .* is above 'maximum'",
    ("event", "`scale` is not above `precision`, nor `min_items` above `max_items`"):
        r"'(scale|min_items)' .* is above",
    ("event", "`min_in_sync` is not above `replication`"): r"'min_in_sync' .* is above",
    ("event", "`access` names fields of the event: those of `sort` have an order, that of `partition` has few values"):
        r"'(sort|partition)' names the field",
    ("event", "a `default` is a value that the field accepts"): r"the default of '\w+' is one that the field refuses",
    ("event", "a `pattern` is a regular expression that Python, Java and RE2 read alike"):
        r"the pattern .* (has|is not)",
    ("event", "`merge` and `join` name events and fields that fit each other"): r"which nobody sends and no join makes",
    ("features", "names and expressions fit the event, and each other: every name that is read exists and has a "
                 "fitting type, every column has a name of its own"):
        r"'source' names the event|'key' names|reads the field|which is a (string|bool|timestamp|double)|"
        r"(expression|derive) '\w*'|'where'|the column|the suffix",
    ("features", "`over` of a ratio is shorter than `per`, and a ratio does not take `ewma`"): r"a ratio (has|does)",
    ("features", "a window with `ewma` is one of time and at most 256 half-lives long"): r"'ewma' over .* does not fit",
    ("features", "`resolution` is shorter than the window, and goes with statistics that follow from those of parts"):
        r"'resolution' (does not go|is not shorter)",
    ("features", "`retain` is not shorter than the longest window"): r"'retain' is shorter",
    ("features", "a share in `quantile` has at most six decimals"): r"is not a quantile",
    ("model", "the shares of `split` add up to 1"): r"the shares of 'split' add up",
    ("rollup", "the event has the fields, of fitting types, and every column has a name of its own"):
        r"reads the field|has the column .* twice",
    ("rollup", "`every` is more than 0 and at most 366d"): r"'every' is no length of a pane",
    ("sink", "`url` is an address of HTTP without a login"): r"'url' (is no address|holds a login)",
    ("sink", "`timeout` is more than 0"): r"is no time in which an answer can come",
    ("sink", "every `$` in `url` and `headers` begins a variable, `${NAME}`"): r"has a \$ that begins no variable",
    ("sink", "`headers` are names of HTTP that a sink does not set itself"): r"is no header that a sink can set",
    ("external", "a column has a type of DuckDB"): r"is no type of column",
    ("policy", "`where` is SQL, and goes with `sql:read` alone; `mask` goes with what may be read"):
        r"'where' is a condition|'mask' is for|the expression cannot be read",
    ("policy", "names of rules differ"): r"two rules have the name",
    ("settings", "what the environment may complete: a login is complete, `valkey` has a `url`"):
        r"security_protocol \w+ lacks|and security_protocol is|online.url is not given",
    ("settings", "a number in quotes, or a port in `bootstrap_servers`, is in its range"):
        r"is not host:port|'[\w.]+' is '",
    ("all", "a duration is at most 36500d"): r"is too long a duration|is not the extent of a window",
    ("all", "a whole number is not written as `1.0`"): r"' (of \w+ )?is -?\d+\.0\b",
}  # fmt: skip
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

Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def verdict_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], str | None]:
    folder = tmp_path_factory.mktemp("read")
    file = folder / "headrace.yaml"
    readers: dict[str, Callable[[], object]] = {
        "event": lambda: Contract.load(file),
        "features": lambda: load_view(file, {"ride": Contract.model_validate(EVENT)}),
        "model": lambda: ModelDeclaration.load(file),
        "rollup": lambda: load_document(file, RollupDeclaration),
        "sink": lambda: load_document(file, SinkDeclaration),
        "external": lambda: load_document(file, ExternalDeclaration),
        "policy": lambda: load_document(file, Policy),
        "settings": lambda: load_settings(folder, environ={}),
    }

    def verdict(kind: str, data: Any) -> str | None:
        # The fast form of YAML's own sister.
        file.write_text(json.dumps(data))
        try:
            readers[kind]()
        except HeadraceError as error:
            return str(error)
        return None

    return verdict


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(project_schema(kind))


def accepts(kind: str, data: Any) -> bool:
    accepted: bool = validator(kind).is_valid(data)
    return accepted


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_of_draft_2020_12(kind: str) -> None:
    schema = project_schema(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_says_what_it_means(kind: str) -> None:
    silent = [place for place, text in _described(project_schema(kind), ()) if not text]
    assert silent == []


def _described(schema: Any, at: Path_, *, rule: bool = False) -> Iterator[tuple[str, object]]:
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _described(part, (*at, index), rule=rule)
    elif isinstance(schema, dict):
        for word, part in schema.items():
            if word == "properties" and not rule:
                for name, inner in part.items():
                    yield ".".join(map(str, (*at, name))), inner.get("description")
                    yield from _described(inner, (*at, name))
            elif word not in ("enum", "const", "default", "oneOf"):
                # Rules over several fields name them again.
                yield from _described(part, (*at, word), rule=rule or word in ("allOf", "if", "then", "else"))


@pytest.mark.parametrize("example", sorted(examples()))
def test_every_declaration_of_the_examples_is_valid(example: str) -> None:
    found = 0
    for kind, entry in KINDS.items():
        for path in sorted(examples()[example].glob(entry.files)):
            errors = [error.message for error in validator(kind).iter_errors(read_document(path).data)]
            assert errors == [], path
            found += 1
    assert found >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_uses_every_field_is_accepted_by_both(kind: str, verdict_of: Callable[[str, Any], str | None]) -> None:
    assert [error.message for error in validator(kind).iter_errors(RICH[kind])] == []
    assert verdict_of(kind, RICH[kind]) is None


@given(declarations())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_declaration_of_the_property_tests_is_valid(drawn: tuple[dict[str, Any], Any]) -> None:
    assert [error.message for error in validator("features").iter_errors(drawn[0])] == []


WRONG = {
    "a misspelt key": ("event", "kye: rider"),
    "a field of an unknown type": ("event", "fields: {rider: {type: text}, at: {type: timestamp}}"),
    "a limit of a text": ("event", "fields: {rider: {type: string, minimum: 1}, at: {type: timestamp}}"),
    "a pattern of a number": ("event", "fields: {rider: {type: int, pattern: x}, at: {type: timestamp}}"),
    "a limit beyond the type": ("event", "fields: {rider: {type: int, maximum: 2147483648}, at: {type: timestamp}}"),
    "a value twice": ("event", "fields: {rider: {type: string, values: [a, a]}, at: {type: timestamp}}"),
    "values of another type": ("event", "fields: {rider: {type: int, values: ['1']}, at: {type: timestamp}}"),
    "true among whole numbers": ("event", "fields: {rider: {type: int, values: [true]}, at: {type: timestamp}}"),
    "partitions in two places": ("event", "topic: {partitions: 4}"),
    "a topic that is kept for a number": ("event", "topic: {retention: 7}"),
    "an enum without values": ("event", "fields: {rider: {type: enum}, at: {type: timestamp}}"),
    "a decimal without a scale": ("event", "fields: {rider: {type: decimal, precision: 9}, at: {type: timestamp}}"),
    "a list of nothing": ("event", "fields: {rider: {type: list}, at: {type: timestamp}}"),
    "a map of a list of values": ("event", "fields: {rider: {type: map, values: [a]}, at: {type: timestamp}}"),
    "a default inside": (
        "event", "fields: {x: {type: list, items: {type: int, default: 1}}, rider: {type: int}, at: {type: timestamp}}",
    ),
    "an object without fields": ("event", "fields: {rider: {type: object, fields: {}}, at: {type: timestamp}}"),
    "no fields": ("event", "fields: {}"),
    "a field with a name of ours": ("event", "fields: {clock: {type: int}, rider: {type: int}, at: {type: timestamp}}"),
    "a name with a capital": ("event", "name: Ride"),
    "a version in quotes": ("event", "version: '1'"),
    "a duration without a unit": ("event", "max_ahead: 5"),
    "a duration with a fraction": ("event", "max_ahead: 1.5h"),
    "a truth value in other words": ("event", "fields: {rider: {type: int, required: yes}, at: {type: timestamp}}"),
    "an unknown order": ("features", "order: sometime"),
    "an order without its lateness": ("features", "order: event_time"),
    "a lateness without its order": ("features", "lateness: 5s"),
    "no features": ("features", "features: []"),
    "an unknown kind of feature": ("features", "features: [{calender: {take: hour}}]"),
    "two kinds in one entry": ("features", "features: [{since_last: {}, calendar: {take: hour}}]"),
    "an entry without a kind": ("features", "features: [{}]"),
    "a window of no length": ("features", "features: [{window: {of: amount, over: 0s, take: mean}}]"),
    "a window of no rows": ("features", "features: [{window: {of: amount, over: 0 rows, take: mean}}]"),
    "a window without an extent": ("features", "features: [{window: {of: amount, take: mean}}]"),
    "an unknown statistic": ("features", "features: [{window: {of: amount, over: 1h, take: average}}]"),
    "the quantile of nothing": ("features", "features: [{window: {of: amount, over: 1h, take: p0}}]"),
    "a quantile of a hundred": ("features", "features: [{window: {of: amount, over: 1h, take: p100}}]"),
    "a quantile above one": ("features", "features: [{window: {of: amount, over: 1h, take: {quantile: 1.5}}}]"),
    "quantiles that are none": ("features", "features: [{window: {of: amount, over: 1h, take: {quantile: []}}}]"),
    "ewma without a half-life": ("features", "features: [{window: {of: amount, over: 1h, take: [mean, ewma]}}]"),
    "a half-life without ewma": ("features", "features: [{window: {of: amount, over: 1h, take: mean, half_life: 5m}}]"),
    "a suffix without a filter": ("features", "features: [{zscore: {of: amount, over: 1h, suffix: x}}]"),
    "a lag that looks nowhere": ("features", "features: [{lag: {of: amount}}]"),
    "a lag of no steps": ("features", "features: [{lag: {of: amount, steps: []}}]"),
    "a lag of zero": ("features", "features: [{lag: {of: amount, steps: 0}}]"),
    "a step in quotes": ("features", "features: [{lag: {of: amount, steps: '1'}}]"),
    "a lag of rows ago": ("features", "features: [{lag: {of: amount, ago: 5 rows}}]"),
    "a judge without a window": ("features", "features: [{outlier: {of: amount, policy: [log, cap]}}]"),
    "fences of no width": ("features", "features: [{fences: {of: amount, over: 1h, k: 0}}]"),
    "an unknown zone": ("features", "features: [{calendar: {take: hour, zone: Europe/Berlni}}]"),
    "an unknown part of the time": ("features", "features: [{calendar: {take: [hour, weekday]}}]"),
    "a place of three": ("features", "features: [{travel: {place: [lat, lon, amount]}}]"),
    "the Python name of a key": (
        "features", "features: [{distance: {name: km, from_: [lat, lon], to: [lat2, lon2]}}]",
    ),
    "an expression without a name": ("features", "features: [{expression: {sql: amount}}]"),
    "a derived value with a capital": ("features", "derive: {Large: amount > 1}"),
    "a derived value that is a number": ("features", "derive: {large: 1}"),
    "an unknown recipe": ("model", "recipe: forest"),
    "two rules of a threshold": ("model", "threshold: {precision_at_least: 0.9, alert_rate: 0.1}"),
    "no rule of a threshold": ("model", "threshold: {}"),
    "a share of one": ("model", "gates: {recall: 1}"),
    "a share in quotes": ("model", "gates: {recall: '0.5'}"),
    "a recipe that needs labels": ("model", "{recipe: gradient_boosting, labels: null}"),
    "gates that need labels": ("model", "{recipe: auto, threshold: {alert_rate: 0.1}, labels: null}"),
    "a negative seed": ("model", "seed: -1"),
    "labels without a value": ("model", "labels: {event: verdict}"),
    "an unknown section": ("settings", "kafak: {}"),
    "an unknown setting": ("settings", "kafka: {prot: 9092}"),
    "a port out of range": ("settings", "kafka: {port: 70000}"),
    "a port that is true": ("settings", "kafka: {port: true}"),
    "a port that is a word": ("settings", "kafka: {port: any}"),
    "a broker without a port": ("settings", "kafka: {bootstrap_servers: localhost}"),
    "an unknown level": ("settings", "log: {level: loud}"),
    "a name with a blank": ("settings", "name: my rides"),
    "a batch of none": ("settings", "scorer: {batch_rows: 0}"),
    "a section that is a text": ("settings", "lake: here"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_declaration_is_refused_by_both(
    what: str, verdict_of: Callable[[str, Any], str | None], tmp_path: Path
) -> None:
    kind, change = WRONG[what]
    file = tmp_path / "change.yaml"
    file.write_text(change)
    data = {**RICH[kind], **read_document(file).data}
    assert not accepts(kind, data)
    assert verdict_of(kind, data) is not None


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


def _small(kind: str) -> list[tuple[dict[str, Any], Path_]]:
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


def _small_events() -> list[tuple[dict[str, Any], Path_]]:
    needed = {name: EVENT["fields"][name] for name in ("rider", "at")}
    least = {"name": "ride", "version": 2, "key": "rider", "time": "at"}
    bare = {"rider": {"type": "string"}, "at": {"type": "timestamp"}}
    each = [
        ({**least, "fields": {**bare, name: field}}, ("fields", name))
        for name, field in EVENT["fields"].items()
        if name not in needed
    ]
    return [({**EVENT, "fields": needed}, ()), *each]


def _mutations(whole: dict[str, Any], below: Path_) -> Iterator[tuple[str, Any]]:
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


def _paths(value: Any, at: Path_) -> Iterator[Path_]:
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


def test_the_page_lists_what_a_schema_cannot_say() -> None:
    page = DOCUMENT.read_text()
    _, _, table = page.partition("## What a schema cannot say")
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|", 1)) for line in table.splitlines() if "|" in line]
    assert rows[2:] == list(CANNOT_SAY)


def test_the_settings_of_the_page_name_files_that_are_written() -> None:
    block = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block
    mapped = json.loads(block[1])["yaml.schemas"]
    assert mapped == {f"./.headrace/schemas/{kind}.schema.json": entry.files for kind, entry in KINDS.items()}


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
