"""A contract in the languages of others, against the vectors that hold every parser."""

import datetime as dt
import io
import json
import re
import sys
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import jsonschema
import pytest
from click.testing import CliRunner
from headrace_ingestion.codec import compile_encoder, compile_parser
from headrace_ingestion.contract import Contract, Field
from headrace_ingestion.records import StoredRecord
from mypy import api as mypy
from parse_vectors import VECTORS, bytes_of

from headrace.cli.root import root
from headrace.events.export import avro_schema, json_schema, python_module
from headrace.project import Project

CONTRACTS = {json.dumps(case["contract"]): Contract.model_validate(case["contract"]) for case in VECTORS}
# What a schema of the value says nothing about, and what its language has no words for: days that no month has, bounds
# of decimals, whole numbers with a fraction, numbers beyond a double, and a line feed at the end of a text.
NOT_OF_THE_VALUE = {"wrong_key", "wrong_event_id", "from_the_future", "not_json"}
NO_WORDS = re.compile(
    r"years 1970|'total' expects at|(02-29|02-30|04-31|0000-01-01)(T00:00:00Z)?'|got number|finite double|\n'$"
)
ORDER = next(contract for contract in CONTRACTS.values() if contract.name == "order")
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def value_of(case: dict[str, Any]) -> Any:
    """Return the JSON value of a vector, None when it is none."""
    try:
        return json.loads(bytes_of(case, "value") or b"")
    except ValueError:
        return None


def test_the_json_schema_accepts_what_the_contract_accepts_and_refuses_what_it_can_say() -> None:
    validators = {text: jsonschema.Draft202012Validator(json_schema(one)) for text, one in CONTRACTS.items()}
    for validator in validators.values():
        validator.check_schema(validator.schema)
    wrong, refused = [], 0
    for case in VECTORS:
        is_valid = validators[json.dumps(case["contract"])].is_valid(value_of(case))
        reason, detail = case["expect"].get("reason"), case["expect"].get("detail", "")
        is_foreign = "another version" in case["name"] or "version is left out" in case["name"]
        if reason is None and not is_valid and not is_foreign:
            wrong.append(f"refuses: {case['name']}")
        if reason and reason not in NOT_OF_THE_VALUE:
            refused += not is_valid
            if is_valid and not NO_WORDS.search(detail):
                wrong.append(f"accepts: {case['name']}: {detail}")
    assert wrong == []
    assert refused > 100


def native(field: Field, value: Any) -> Any:
    """Return an accepted value as Avro's logical types have it."""
    if value is None:
        return None
    if field.type == "timestamp":
        return dt.datetime.fromtimestamp(value // 1000, dt.UTC) + dt.timedelta(milliseconds=value % 1000)
    if field.type == "date":
        return dt.date.fromisoformat(value)
    if field.type == "decimal":
        return Decimal(value)
    if field.type == "list":
        return [native(field.inner["[]"], one) for one in value]
    if field.type == "map":
        return {key: native(field.inner["{}"], one) for key, one in value.items()}
    if field.type == "object":
        return {name: native(field.inner[f".{name}"], one) for name, one in value.items()}
    return value


def test_every_accepted_event_is_the_same_after_it_was_avro() -> None:
    schemas = {text: fastavro.parse_schema(avro_schema(one)) for text, one in CONTRACTS.items()}
    through = 0
    for case in VECTORS:
        if "fields" not in case["expect"]:
            continue
        text = json.dumps(case["contract"])
        fields = CONTRACTS[text].fields
        event = {name: native(fields[name], value) for name, value in case["expect"]["fields"].items()}
        written = io.BytesIO()
        fastavro.schemaless_writer(written, schemas[text], event, strict=True)
        written.seek(0)
        assert fastavro.schemaless_reader(written, schemas[text], None) == event, case["name"]
        through += 1
    assert through > 60


def test_defaults_of_avro_are_those_of_the_contract() -> None:
    data = {
        "name": "order", "version": 2, "key": "customer", "time": "at",
        "fields": {
            "customer": {"type": "string"},
            "at": {"type": "timestamp"},
            "total": {"type": "decimal", "precision": 9, "scale": 2, "default": "-1.28"},
            "born": {"type": "date", "default": "1969-12-31"},
            "seen": {"type": "timestamp", "default": "2026-01-01T00:00:00Z"},
            "state": {"type": "enum", "values": ["new", "paid"], "default": "new"},
            "colour": {"type": "enum", "values": ["dark red"], "required": False},
            "rank": {"type": "double", "default": 1},
        },
    }  # fmt: skip
    newer = Contract.model_validate(data)
    names = ("customer", "at")
    older = Contract.model_validate({**data, "version": 1, "fields": {name: data["fields"][name] for name in names}})  # type: ignore[index]  # a mapping
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(avro_schema(older)), {"customer": "c", "at": AT})
    written.seek(0)
    read = fastavro.schemaless_reader(
        written, fastavro.parse_schema(avro_schema(older)), fastavro.parse_schema(avro_schema(newer))
    )
    assert isinstance(read, dict)
    # fastavro gives defaults of logical types as the schema writes them.
    assert int.from_bytes(str(read.pop("total")).encode("latin-1"), signed=True) == -128
    assert read == {
        "customer": "c", "at": AT, "born": -1, "seen": 1_767_225_600_000, "state": "new", "colour": None, "rank": 1.0,
    }  # fmt: skip


def imported(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


ODD = Contract.model_validate(
    {
        "name": "odd_order", "version": 3, "key": "from", "time": "at",
        "fields": {
            "from": {"type": "string", "description": 'says """who\\"'},
            "at": {"type": "timestamp"},
            "fields": {"type": "map", "required": False, "values": {
                "type": "list", "items": {"type": "object", "required": False, "fields": {"x": {"type": "int"}}}}},
            "place": {"type": "object", "required": False, "fields": {"city": {"type": "string"}}},
            "level": {"type": "int", "values": [1, 2], "default": 2, "unit": "floors"},
            "born": {"type": "date", "default": "1999-12-31"},
            "seen": {"type": "timestamp", "default": "2026-01-01T00:00:00Z"},
            "total": {"type": "decimal", "precision": 5, "scale": 2, "default": "1.5"},
        },
    }
)  # fmt: skip


def test_the_generated_module_passes_a_strict_checker_and_sends_what_the_contract_accepts(tmp_path: Path) -> None:
    for name, contract in {"order_event": ORDER, "odd_event": ODD}.items():
        (tmp_path / f"{name}.py").write_text(python_module(contract))
    use = tmp_path / "use.py"
    use.write_text(
        "from datetime import datetime, timezone\nfrom order_event import Order\n"
        "now = datetime.now(timezone.utc)\n"
        'good = Order(customer="c", at=now, state="paid")\n'
        'bad = Order(customer="c", at=now, state="lost")\n'
    )
    files = [str(tmp_path / name) for name in ("order_event.py", "odd_event.py", "use.py")]
    checked, _, _ = mypy.run(["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", *files])
    (error, found) = checked.splitlines()
    assert "use.py:5" in error
    assert "incompatible type \"Literal['lost']\"; expected \"Literal['new', 'paid']\"" in error
    assert found == "Found 1 error in 1 file (checked 3 source files)"

    made = imported(tmp_path / "odd_event.py")
    event = made.OddOrder(
        from_="c", at=AT, fields_={"a": (made.OddOrderFields(x=1), None)}, place=made.OddOrderPlace(city="Oslo")
    )
    with pytest.raises(AttributeError):
        event.level = 1
    sent = compile_encoder(ODD)(event.fields())
    parsed = compile_parser(ODD)(StoredRecord("events.odd_order", 0, 0, -1, sent.key, sent.value, ()))
    assert parsed[0] == {
        "from": "c", "at": 1_767_225_600_000, "fields": {"a": [{"x": 1}, None]}, "place": {"city": "Oslo"}, "level": 2,
        "born": "1999-12-31", "seen": 1_767_225_600_000, "total": "1.50",
    }  # fmt: skip
    assert made.CONTRACT == "odd_order/3"


def test_the_commands_write_what_others_read(project: Project) -> None:
    def run(*arguments: str) -> str:
        answer = CliRunner().invoke(root, ["events", *arguments, "--project", str(project.folder)])
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    contract = project.contracts["reading"]
    assert json.loads(run("schema", "reading")) == json_schema(contract)
    assert json.loads(run("schema", "reading", "--format", "avro", "--output", "json")) == avro_schema(contract)
    assert run("codegen", "reading") == python_module(contract)
    assert json.loads(run("codegen", "reading", "--output", "json"))["source"] == python_module(contract)
