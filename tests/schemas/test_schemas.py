"""The JSON Schema of a file and its reader agree on what may stand there."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from headrace_ingestion.yaml_source import read_document
from hypothesis import HealthCheck, given, settings
from rich_declarations import RICH
from schema_cases import CANNOT_SAY, Steps, accepts, validator
from view_cases import declarations

from headrace.schemas import KINDS, project_schema
from headrace.templates import examples

DOCUMENT = Path(__file__).parents[2] / "docs" / "editors.md"


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


def _described(schema: Any, at: Steps, *, rule: bool = False) -> Iterator[tuple[str, object]]:
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
    "a rule of two kinds": ("quality", "rules: [{unique: {columns: [a]}, null_rate: {column: a}}]"),
    "a range without a bound": ("quality", "rules: [{range: {column: a}}]"),
    "a volume without a bound": ("quality", "rules: [{volume: {window: 1h}}]"),
    "a quarantine of no rows": ("quality", "rules: [{freshness: {at_most: 1h}, quarantine: true}]"),
    "a freshness over some rows": ("quality", "rules: [{freshness: {at_most: 1h}, over: 1h}]"),
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
