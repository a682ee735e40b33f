"""The readers of a project's files, asked about one file."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from headrace_features.resolve import load_view
from headrace_ingestion.contract import Contract
from headrace_ingestion.documents import load_document
from headrace_ingestion.errors import HeadraceError
from headrace_lake.quality.declaration import QualityDeclaration
from headrace_lake.rollups.declaration import RollupDeclaration
from headrace_models.declaration import ModelDeclaration
from rich_declarations import EVENT

from headrace.external import ExternalDeclaration
from headrace.policy.rules import Policy
from headrace.settings import load_settings
from headrace.sinks.declaration import SinkDeclaration


@pytest.fixture(scope="module")
def verdict_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], str | None]:
    """What the reader of a kind of file says of data, None where it takes them."""
    folder = tmp_path_factory.mktemp("read")
    file = folder / "headrace.yaml"
    readers: dict[str, Callable[[], object]] = {
        "event": lambda: Contract.load(file),
        "features": lambda: load_view(file, {"ride": Contract.model_validate(EVENT)}),
        "model": lambda: ModelDeclaration.load(file),
        "rollup": lambda: load_document(file, RollupDeclaration),
        "sink": lambda: load_document(file, SinkDeclaration),
        "external": lambda: load_document(file, ExternalDeclaration),
        "quality": lambda: load_document(file, QualityDeclaration),
        "policy": lambda: load_document(file, Policy),
        "settings": lambda: load_settings(folder, environ={}),
    }

    def verdict(kind: str, data: Any) -> str | None:
        # JSON is YAML, too, and is quickly read.
        file.write_text(json.dumps(data))
        try:
            readers[kind]()
        except HeadraceError as error:
            return str(error)
        return None

    return verdict
