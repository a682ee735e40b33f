"""From the declaration of a view and the contract of its event to the resolved `View`; errors name file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from headrace_ingestion.contract import KEY_TYPES, Contract
from headrace_ingestion.documents import DeclarationProblem, load_document, load_folder
from headrace_ingestion.durations import duration_ms
from headrace_ingestion.errors import closest
from headrace_ingestion.rekeyed import RekeyedContract
from pydantic import PrivateAttr, ValidationInfo, model_validator

from headrace_features.columns import Columns
from headrace_features.declaration import ViewDeclaration
from headrace_features.kinds import add_feature
from headrace_features.view import View, longest_ms

DEFAULT_RETAIN_MS = 30 * 86_400_000


def load_view(path: Path, contracts: Mapping[str, Contract], *, root: Path | None = None) -> View:
    """Return the view that the YAML file declares.

    Args:
        path: The file, such as `features/subscriber.yaml`.
        contracts: The project's events by name.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: The file cannot be read, or what it declares does not fit its event.
    """
    shown = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
    return load_document(path, _Resolved, context={"contracts": contracts, "origin": shown}, root=root).view


def load_views(folder: Path, contracts: Mapping[str, Contract], *, root: Path | None = None) -> dict[str, View]:
    """Return the views of all `*.yaml` in `folder` by name.

    Raises:
        DeclarationError: A file declares no valid view, or two declare the same one.
    """
    return load_folder(folder, lambda path: load_view(path, contracts, root=root), "view", root=root)


class _Resolved(ViewDeclaration):
    """A declaration whose view was resolved while it was validated, so that its problems get their lines."""

    _view: View | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> _Resolved:
        context = info.context or {}
        self._view = _view(self, context["contracts"], context["origin"])
        return self

    @property
    def view(self) -> View:
        """The view."""
        if self._view is None:
            raise RuntimeError("a declaration is resolved when it is validated")
        return self._view


def _view(declaration: ViewDeclaration, contracts: Mapping[str, Contract], origin: str) -> View:
    contract = _source(declaration, contracts)
    columns = Columns(contract, declaration.key)
    for name, sql in declaration.derive.items():
        columns.derive(name, sql, [other for other in declaration.derive if other not in columns.known])
    for index, feature in enumerate(declaration.features):
        columns.place = ("features", index, feature.kind)
        add_feature(columns, feature.only)
    longest = longest_ms(columns.kernel)
    retain_ms = max(longest, DEFAULT_RETAIN_MS) if declaration.retain is None else duration_ms(declaration.retain)
    if retain_ms < longest:
        raise DeclarationProblem(
            "'retain' is shorter than the longest window",
            {"longest window": f"{longest} ms"},
            "remove retain",
            ("retain",),
        )
    return View(
        name=declaration.name,
        contract=contract,
        key=declaration.key,
        inputs=columns.inputs,
        kernel=columns.kernel,
        columns=columns.shown,
        ttl_ms=duration_ms(declaration.ttl),
        dedup_ms=duration_ms(declaration.dedup),
        retain_ms=retain_ms,
        digest=_digest(declaration, contract),
        origin=origin,
        order=declaration.order,
        lateness_ms=duration_ms(declaration.lateness) if declaration.lateness is not None else 0,
        description=declaration.description,
        owner=declaration.owner,
        tags=declaration.tags,
        kinds=columns.kinds,
        derived=tuple(declaration.derive.items()),
        encoding=declaration.encoding,
    )


def _source(declaration: ViewDeclaration, contracts: Mapping[str, Contract]) -> Contract:
    contract = contracts.get(declaration.source)
    if contract is None:
        raise DeclarationProblem(
            f"'source' names the event {declaration.source!r}, which the project does not declare",
            {"events": ", ".join(contracts) or "none: events/*.yaml is empty"},
            f"source: {closest(declaration.source, contracts) or next(iter(contracts), 'call')}",
            ("source",),
        )
    if contract.progress != contract.time and declaration.order != "event_time":
        raise DeclarationProblem(
            f"'source' is the event {contract.name!r}, which holds labels that come before they may be known",
            {"order": declaration.order, "expected": "order: event_time, which counts each at its time"},
            "order: event_time, and lateness: 5s",
            ("source",),
        )
    return contract if declaration.key == contract.key else _by_another_key(declaration.key, contract, contracts)


def _by_another_key(key: str, contract: Contract, contracts: Mapping[str, Contract]) -> Contract:
    """Return the event as it stands in its topic by another field."""
    able = [
        name
        for name, field in contract.fields.items()
        if field.required and field.type in KEY_TYPES and field.pii != "mask"
    ]
    if key not in able:
        what = _why_no_key(key, contract)
        raise DeclarationProblem(
            f"'key' names {what}",
            {"fields": ", ".join(able), "expected": f"a required field of type {', '.join(KEY_TYPES)}"},
            f"key: {closest(key, able) or contract.key}",
            ("key",),
        )
    rekeyed = RekeyedContract(contract, key)
    if rekeyed.table in contracts:
        raise DeclarationProblem(
            f"'key' makes the table events.{rekeyed.table}, which is the one of an event",
            {"event": contracts[rekeyed.table].place_of(None)},
            f"rename the event {rekeyed.table}",
            ("key",),
        )
    return rekeyed


def _why_no_key(key: str, contract: Contract) -> str:
    field = contract.fields.get(key)
    if field is None:
        return f"the field {key!r}, which the event {contract.name!r} does not have"
    if field.type not in KEY_TYPES:
        return f"the field {key!r} of type {field.type}"
    if field.pii == "mask":
        return f"the field {key!r}, which is masked: many would be one"
    return f"the field {key!r}, which the event {contract.name!r} does not require"


def _digest(declaration: ViewDeclaration, contract: Contract) -> str:
    content = declaration.model_dump(mode="json", exclude={"description", "owner", "tags", "encoding"})
    text = json.dumps([content, contract.digest], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
