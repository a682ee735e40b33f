"""The cases of `tests/vectors/parse.json`, which every parser and every schema of a contract is held to."""

import base64
import json
from pathlib import Path
from typing import Any

from headrace_ingestion import StoredRecord

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "parse.json").read_text(encoding="utf-8"))


def bytes_of(case: dict[str, Any], name: str) -> bytes | None:
    """Return the key or the value of a case."""
    if f"{name}_base64" in case:
        return base64.b64decode(case[f"{name}_base64"])
    value = case[name]
    return None if value is None else str(value).encode()


def record_of(case: dict[str, Any]) -> StoredRecord:
    """Return the record that a case is about."""
    return StoredRecord(
        f"events.{case['contract']['name']}",
        case["partition"],
        case["offset"],
        case["record_timestamp_ms"],
        bytes_of(case, "key"),
        bytes_of(case, "value"),
        [(name, None if value is None else value.encode()) for name, value in case["headers"]],
    )
