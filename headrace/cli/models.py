"""`headrace models`: train, compare and promote models."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working

if TYPE_CHECKING:
    from headrace_models.registry import ModelVersion

_SHOWN_METRICS = (
    "test_precision",
    "test_recall",
    "test_f1",
    "test_pr_auc",
    "test_roc_auc",
    "test_alerts_per_day",
    "threshold",
)


@click.group()
def group() -> None:
    """Train, compare and promote models."""


@group.command()
@click.argument("model")
@common_options
def train(call: Invocation, model: str) -> None:
    """Train on what the lake holds; the version becomes challenger when its gates hold on the test part."""
    with working(f"training {model}"):
        version = call.project.models.train(model)
    _show(call, version)


@group.command("list")
@click.argument("model", required=False)
@common_options
def list_(call: Invocation, model: str | None) -> None:
    """List the registered versions, newest first."""
    _table(call, call.project.models.list(model))


@group.command()
@click.argument("model")
@click.argument("versions", nargs=-1)
@common_options
def compare(call: Invocation, model: str, versions: tuple[str, ...]) -> None:
    """Show versions side by side: by default champion and challenger."""
    _table(call, call.project.models.compare(model, *versions))


@group.command()
@click.argument("model")
@click.option("--version", help="The version; default: the challenger.")
@click.option("--force", is_flag=True, help="Promote although the gates do not hold.")
@common_options
def promote(call: Invocation, model: str, version: str | None, force: bool) -> None:
    """Make a version champion; running scorers swap to it without losing a score."""
    _show(call, call.project.models.promote(model, version, force=force))


@group.command()
@click.argument("model")
@common_options
def rollback(call: Invocation, model: str) -> None:
    """Make the champion before the present one champion again."""
    _show(call, call.project.models.rollback(model))


def _table(call: Invocation, versions: Iterable["ModelVersion"]) -> None:
    if call.output.is_json:
        call.output.data([_as_dict(version) for version in versions], "")
        return
    columns = ("model", "version", "aliases", "gates", *(name.removeprefix("test_") for name in _SHOWN_METRICS))
    rows = [
        (
            v.name,
            v.version,
            ", ".join(v.aliases) or None,
            v.tags.get("gates"),
            *(v.metrics.get(name) for name in _SHOWN_METRICS),
        )
        for v in versions
    ]
    call.output.table(columns, rows, empty="no version is registered; headrace models train MODEL makes one")


def _show(call: Invocation, version: "ModelVersion") -> None:
    if call.output.is_json:
        call.output.data(_as_dict(version), "")
        return
    call.output.record(
        {
            "model": version.name,
            "version": version.version,
            "aliases": ", ".join(version.aliases) or "none",
            "recipe": version.tags.get("recipe"),
            "gates": f"{version.tags.get('gates')}: {version.tags.get('gate_results', 'none declared')}",
            "run": version.run_id,
            **{name: version.metrics.get(name) for name in _SHOWN_METRICS},
        }
    )


def _as_dict(version: "ModelVersion") -> dict[str, object]:
    return {
        "model": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "gates_hold": version.gates_hold,
        "run_id": version.run_id,
        "created": version.created,
        "metrics": dict(version.metrics),
        "tags": dict(version.tags),
    }
