"""Entries that read the clock on a wall and do not say where it hangs."""

from __future__ import annotations

from pathlib import Path

from headrace_ingestion.documents import declared_in, read_document

from headrace_features.declaration import ViewDeclaration


def zone_hints(path: Path) -> tuple[str, ...]:
    """Return a line for each entry of a view whose hours are those of UTC because no zone is given.

    Args:
        path: The file of the view.

    Raises:
        DeclarationError: It declares no view.
    """
    document = read_document(path)
    declared = declared_in(document, ViewDeclaration)
    hints = []
    for index, feature in enumerate(declared.features):
        for kind, entry in (("calendar", feature.calendar), ("baseline", feature.baseline)):
            if entry is not None and "zone" not in entry.model_fields_set:
                line = document.line_of(("features", index, kind))
                hints.append(f"line {line}: {kind} has no zone: its hours are those of UTC; zone: Europe/Oslo, or UTC")
    return tuple(hints)
