"""The declaration of a model (`models/*.yaml`): which view, recipe and labels, and what counts as good enough."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from headrace_ingestion.contract import Contract, Name
from headrace_ingestion.documents import DeclarationProblem, load_document
from headrace_ingestion.durations import Duration, format_duration
from headrace_ingestion.errors import DeclarationError, closest
from headrace_ingestion.schema_rules import GIVEN, exactly_one, having, rules, when
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from headrace_models.lookup_declaration import LookupDeclaration
from headrace_models.view import FeatureView

RecipeName = Literal["auto", "isolation_forest", "gradient_boosting"]
Share = Annotated[float, pydantic.Field(strict=True, gt=0, lt=1)]
LONGEST_WINDOW = "longest_window"


_Gap = Literal["longest_window"] | Duration | None


def _read_gap(value: object) -> object:
    return None if value == LONGEST_WINDOW else value


class Labels(BaseModel):
    """Where the truth comes from, and when it is known.

    Attributes:
        event: The event that carries the labels; may be the view's own event.
        match: Its field that holds the event id of the labelled event; None: the event labels itself.
        value: Its bool field (or 0/1 number): true is positive.
        assume_negative_after: An event this old without a label counts as negative; None: it is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="labels")

    event: Name
    match: str | None = None
    value: str
    assume_negative_after: Duration | None = None


class Split(BaseModel):
    """How the rows are parted, oldest first; the shares add up to 1.

    Attributes:
        train: Share of the rows that the model is fitted on.
        validation: Share on which the threshold is chosen.
        test: Share on which the gates are checked.
        gap: Time left out before validation and before test; None (`longest_window`): the view's longest window.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="split")

    train: Share = 0.7
    validation: Share = 0.2
    test: Share = 0.1
    gap: Annotated[Duration | None, BeforeValidator(_read_gap, json_schema_input_type=_Gap)] = None

    @model_validator(mode="after")
    def _shares_add_up(self) -> Split:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise DeclarationProblem(
                f"the shares of 'split' add up to {total:g}",
                {"given": f"train {self.train:g}, validation {self.validation:g}, test {self.test:g}", "expected": "1"},
                "split: {train: 0.7, validation: 0.2, test: 0.1}",
            )
        return self


class Gates(BaseModel):
    """What the untouched test part must show before a version becomes challenger; None: not asked.

    Attributes:
        precision: Least precision at the threshold.
        recall: Least recall at the threshold.
        pr_auc: Least area under the precision-recall curve.
        alert_rate_max: Largest share of rows that may alert.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="gates")

    precision: Share | None = None
    recall: Share | None = None
    pr_auc: Share | None = None
    alert_rate_max: Share | None = None

    @property
    def need_labels(self) -> bool:
        """Whether a gate cannot be checked without labels."""
        return any(gate is not None for gate in (self.precision, self.recall, self.pr_auc))


class Threshold(BaseModel):
    """The rule that picks the threshold on rows the detector was not fitted on: exactly one of the two.

    Attributes:
        precision_at_least: The best F1 among the thresholds with at least this precision. Needs labels.
        alert_rate: The share of rows that alerts.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        title="threshold",
        json_schema_extra=rules(exactly_one(["precision_at_least", "alert_rate"])),
    )

    precision_at_least: Share | None = None
    alert_rate: Share | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Threshold:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise DeclarationProblem(
                f"'threshold' has {' and '.join(given) or 'no rule'}",
                {"expected": "one of precision_at_least, alert_rate"},
                "threshold: {precision_at_least: 0.9}",
            )
        return self


_NEEDS_LABELS = {
    "anyOf": [
        having(recipe={"const": "gradient_boosting"}),
        *(having(gates=having(**{gate: GIVEN})) for gate in ("precision", "recall", "pr_auc")),
        having(threshold=having(precision_at_least=GIVEN)),
    ]
}
"""What `_labels_are_declared_where_needed` asks, as JSON Schema."""


class ModelDeclaration(BaseModel):
    """A model: frozen, and valid once it exists.

    Attributes:
        name: Name of the model; its scores stand in `scores.<name>`.
        view: The feature view it reads.
        features: Columns of the view, in order; None: all numeric and bool ones.
        exclude: Columns to leave out.
        lookups: Columns of views with other keys.
        recipe: How it is trained; `auto`: gradient boosting when there are labels enough, isolation forest otherwise.
        labels: Where the truth comes from; None: there is none.
        seed: Seed of everything random in training.
        description: For people.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", title="model", json_schema_extra=rules(when(_NEEDS_LABELS, having(labels=GIVEN)))
    )

    name: Name
    view: Name
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    lookups: tuple[LookupDeclaration, ...] = ()
    recipe: RecipeName = "auto"
    labels: Labels | None = None
    split: Split = Split()
    gates: Gates = Gates()
    threshold: Threshold = Threshold(alert_rate=0.01)
    seed: Annotated[int, pydantic.Field(ge=0, strict=True)] = 0
    description: str | None = None

    @model_validator(mode="after")
    def _labels_are_declared_where_needed(self) -> ModelDeclaration:
        needing = {
            "recipe": self.recipe == "gradient_boosting",
            "gates": self.gates.need_labels,
            "threshold": self.threshold.precision_at_least is not None,
        }
        for part, needs in needing.items():
            if needs and self.labels is None:
                raise DeclarationProblem(
                    f"{part!r} needs labels, and the model declares none",
                    {"without labels": _WITHOUT_LABELS[part]},
                    "labels: {event: fraud_label, match: call_id, value: is_fraud}",
                    (part,),
                )
        return self

    @model_validator(mode="after")
    def _a_view_is_looked_up_once(self) -> ModelDeclaration:
        names = [lookup.view for lookup in self.lookups]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DeclarationProblem(
                f"'lookups' has the view {twice!r} twice",
                {"views": ", ".join(names)},
                f"one entry with all columns of {twice!r}",
                ("lookups",),
            )
        return self

    @classmethod
    def load(cls, path: Path, *, root: Path | None = None) -> ModelDeclaration:
        """Return the model that the YAML file declares.

        Args:
            path: The file, such as `models/roaming_fraud.yaml`.
            root: The project folder: names in messages are relative to it.

        Raises:
            DeclarationError: The file cannot be read, or declares no valid model.
        """
        return load_document(path, cls, root=root)

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits of what the model demands; the description does not count."""
        demands = self.model_dump(mode="json", exclude_defaults=True, exclude={"description"})
        text = json.dumps(demands, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def gap(self, view: FeatureView) -> timedelta:
        """Return the time left out between two parts of a training set over `view`."""
        return view.longest_window if self.split.gap is None else self.split.gap

    def feature_columns(self, view: FeatureView) -> tuple[str, ...]:
        """Return the columns that the model reads.

        Raises:
            DeclarationError: A named column is not a numeric or bool column of the view, the gap is shorter than
                the view's longest window, or no column is left.
        """
        numeric = view.numeric_columns
        for part, names in (("features", self.features or ()), ("exclude", self.exclude)):
            known = numeric if part == "features" else tuple(name for name, _ in view.columns)
            for name in names:
                if name not in known:
                    raise _unknown_column(self, part, name, view, known)
        chosen = tuple(name for name in (self.features or numeric) if name not in self.exclude)
        if not chosen:
            raise DeclarationError(
                f"models/{self.name}.yaml: the model reads no column of the view {view.name!r}",
                {"numeric columns": ", ".join(numeric) or "none"},
                "remove columns from 'exclude'",
            )
        if self.gap(view) < view.longest_window:
            raise _short_gap(self, view)
        return chosen


_WITHOUT_LABELS = {
    "recipe": "recipe: isolation_forest",
    "gates": "gates: {alert_rate_max: 0.02}",
    "threshold": "threshold: {alert_rate: 0.01}",
}


class LabelSource(BaseModel):
    """The columns of the lake that hold the labels, checked against the contract of the label event."""

    model_config = ConfigDict(frozen=True)

    event: str
    match: str
    value: str
    time: str
    assume_negative_after: timedelta | None


def label_source(model: ModelDeclaration, contracts: dict[str, Contract]) -> LabelSource | None:
    """Return where the labels of the model stand in the lake, or None when it declares none.

    Raises:
        DeclarationError: The label event or one of its fields does not exist, or has the wrong type.
    """
    labels = model.labels
    if labels is None:
        return None
    contract = contracts.get(labels.event)
    if contract is None:
        raise DeclarationError(
            f"models/{model.name}.yaml: 'labels' reads the event {labels.event!r}, which the project does not declare",
            {"events": ", ".join(contracts) or "none"},
            f"event: {closest(labels.event, contracts) or next(iter(contracts), '…')}",
        )
    _check_field(model, contract, "value", labels.value, ("bool", "int", "long"))
    if labels.match is not None:
        _check_field(model, contract, "match", labels.match, ("string",))
    return LabelSource(
        event=labels.event,
        match=labels.match or "event_id",
        value=labels.value,
        time=contract.time,
        assume_negative_after=labels.assume_negative_after,
    )


def _check_field(model: ModelDeclaration, contract: Contract, part: str, name: str, types: tuple[str, ...]) -> None:
    place: dict[str, Any] = {"event": contract.place_of(None)}
    if name not in contract.fields:
        raise DeclarationError(
            f"models/{model.name}.yaml: {part!r} of 'labels' is the field {name!r}, "
            f"which event {contract.name!r} version {contract.version} does not have",
            {"fields": ", ".join(contract.fields), **place},
            f"{part}: {closest(name, contract.fields) or next(iter(contract.fields))}",
        )
    field_type = contract.fields[name].type
    if field_type not in types:
        raise DeclarationError(
            f"models/{model.name}.yaml: {part!r} of 'labels' is the field {name!r} of type {field_type}",
            {"types": ", ".join(types), **place},
            f"{part}: {next((n for n, f in contract.fields.items() if f.type in types), '…')}",
        )


def _unknown_column(
    model: ModelDeclaration, part: str, name: str, view: FeatureView, known: tuple[str, ...]
) -> DeclarationError:
    types = dict(view.columns)
    failure = f"which is of type {types[name]}" if name in types else f"which the view {view.name!r} does not have"
    return DeclarationError(
        f"models/{model.name}.yaml: {part!r} names the column {name!r}, {failure}",
        {"columns": ", ".join(known)},
        closest(name, known) or (known[0] if known else None),
    )


def _short_gap(model: ModelDeclaration, view: FeatureView) -> DeclarationError:
    return DeclarationError(
        f"models/{model.name}.yaml: 'gap' of 'split' is {format_duration(model.gap(view))}: "
        f"windows of the view {view.name!r} would reach from one part into the one before",
        {"longest window": format_duration(view.longest_window)},
        f"gap: {LONGEST_WINDOW}",
    )
