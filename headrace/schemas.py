"""The JSON Schemas of a project's files: editors propose, explain and check with them while a declaration is typed."""

import importlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from headrace_ingestion.errors import HeadraceError


class SchemaError(HeadraceError):
    """The schemas cannot be written."""


class FileKind(NamedTuple):
    """A kind of file of a project.

    Attributes:
        files: Which files of the project folder are of this kind.
        module: Where the model is that reads them; imported when it is asked for.
        model: Its name.
        others: Modules and names of models that read other forms of these files.
    """

    files: str
    module: str
    model: str
    others: tuple[tuple[str, str], ...] = ()


KINDS = {
    "event": FileKind(
        "events/*.yaml",
        "headrace_ingestion.contract",
        "Contract",
        (("headrace_ingestion.derived", "MergeDeclaration"), ("headrace_ingestion.derived", "JoinDeclaration")),
    ),
    "features": FileKind("features/*.yaml", "headrace_features.declaration", "ViewDeclaration"),
    "model": FileKind("models/*.yaml", "headrace_models.declaration", "ModelDeclaration"),
    "rollup": FileKind("rollups/*.yaml", "headrace_lake.rollups.declaration", "RollupDeclaration"),
    "sink": FileKind("sinks/*.yaml", "headrace.sinks.declaration", "SinkDeclaration"),
    "external": FileKind("external/*.yaml", "headrace.external", "ExternalDeclaration"),
    "quality": FileKind("quality/*.yaml", "headrace_lake.quality.declaration", "QualityDeclaration"),
    "policy": FileKind("policy.yaml", "headrace.policy.rules", "Policy"),
    "settings": FileKind("headrace.yaml", "headrace.settings", "Settings"),
}


def project_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a kind of file."""
    from headrace_ingestion.file_schema import file_schema

    files, module, model, others = KINDS[kind]
    models = [getattr(importlib.import_module(module), name) for module, name in ((module, model), *others)]
    return file_schema(models[0], f"headrace: {files}", *models[1:])


def write_schemas(folder: Path, kinds: tuple[str, ...] = tuple(KINDS)) -> dict[str, Path]:
    """Write `<kind>.schema.json` of these kinds into the folder, which is made, and return the files by kind.

    Raises:
        SchemaError: The folder cannot be written.
    """
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            written[kind] = folder / f"{kind}.schema.json"
            written[kind].write_text(schema_text(kind), encoding="utf-8")
    except OSError as error:
        raise SchemaError(
            f"{folder} cannot be written: {error.strerror}",
            {"expected": "a folder, or a name that is free"},
            "headrace schema --to .headrace/schemas",
        ) from error
    return written


def schema_text(kind: str) -> str:
    """Return the schema of a kind of file as people read it."""
    return json.dumps(project_schema(kind), indent=2, ensure_ascii=False) + "\n"
