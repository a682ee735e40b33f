"""`features list` and `features describe` for people: tables that fit 100 characters."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from headrace.cli.output import Output

if TYPE_CHECKING:
    from headrace_features.lake_report import Freshness, Quality
    from headrace_models.impact import Impact
    from headrace_streaming.state_size import StateSize

    from headrace.features.view_report import Definition, Lineage, ListedView, ViewReport

WIDTH = 100
_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def show_list(output: Output, views: "Sequence[ListedView]") -> None:
    """Write a table of what is declared, and one of what the lake holds."""
    declared = [(v.view, v.event, v.key, v.order, v.job, v.columns, _span(v.ttl_seconds), v.declaration) for v in views]
    output.table(
        ("view", "event", "key", "order", "job", "columns", "ttl", "declaration"),
        declared,
        empty="the project declares no view: features/*.yaml is empty",
        width=WIDTH,
    )
    if not views:
        return
    stored = [
        (v.view, ", ".join(v.models) or None, v.rows, v.other_rows, _time(v.newest_event_time), _time(v.newest_clock))
        for v in views
    ]
    output.line("")
    output.table(
        ("view", "models", "rows", "earlier rows", "newest event (UTC)", "newest clock (UTC)"),
        stored,
        width=WIDTH,
    )


def show_report(output: Output, report: "ViewReport") -> None:
    """Write definition, lineage, freshness and quality of a view, one below the other."""
    output.line(f"view {report.view}  {report.definition.file}  declaration {report.definition.declaration}")
    _show_definition(output, report.definition)
    _show_lineage(output, report.lineage)
    stored = report.stored
    if stored.other_rows:
        output.line(f"\n{stored.other_rows} rows of earlier declarations are in the lake; they are not judged here")
    if report.freshness is None and report.quality is None:
        output.line("\nthe lake holds no row of this declaration yet: send events, or wait until they are stored")
    if report.freshness is not None:
        _show_freshness(output, report.freshness)
    if report.quality is not None:
        _show_quality(output, report.quality)


def _show_definition(output: Output, definition: "Definition") -> None:
    if definition.description:
        output.line(definition.description)
    if definition.owner or definition.tags:
        output.line(", ".join([*([f"owner: {definition.owner}"] if definition.owner else []), *definition.tags]))
    output.line(
        f"key {definition.key}, order {definition.order}, ttl {_span(definition.ttl_seconds)}, "
        f"dedup {_span(definition.dedup_seconds)}, retain {_span(definition.retain_seconds)}\n"
    )
    if definition.derived:
        output.table(("derived", "expression"), definition.derived.items(), width=WIDTH)
        output.line("")
    columns = [(column.name, column.type, column.entry, column.means) for column in definition.columns]
    output.table(("column", "type", "entry", "what it is"), columns, width=WIDTH)


def _show_lineage(output: Output, lineage: "Lineage") -> None:
    output.line("\nlineage")
    stages = [
        ("topic", lineage.topic, ""),
        ("event", f"{lineage.event} version {lineage.contract_version}", lineage.contract_file),
        ("job", lineage.job, ""),
        ("feature topic", lineage.feature_topic, ""),
        ("lake table", lineage.table, ""),
        ("online store", lineage.online_store, ""),
        *(("model", model, f"scores to {topic}") for model, topic in lineage.models.items()),
    ]
    if not lineage.models:
        stages.append(("model", "none reads it", ""))
    output.table(("stage", "name", ""), stages, width=WIDTH)


def _show_freshness(output: Output, freshness: "Freshness") -> None:
    output.line(
        f"\nfreshness of the newest {freshness.rows} rows; the newest was made {age_text(freshness.age_ms)} ago, "
        f"at {_time(freshness.newest_emitted_at)} UTC"
    )
    hops = [(hop.name, _rounded(hop.p50_ms), _rounded(hop.p99_ms), hop.max_ms) for hop in freshness.hops]
    output.table(("hop", "p50_ms", "p99_ms", "max_ms"), hops, width=WIDTH)


def _show_quality(output: Output, quality: "Quality") -> None:
    approximate = ", quantiles and distinct approximate" if quality.is_approximate else ""
    output.line(
        f"\nquality of {quality.rows} rows, event times {_time(quality.oldest_event_time)} to "
        f"{_time(quality.newest_event_time)} UTC{approximate}\n"
        f"late {quality.late_rows} ({quality.late_share:.2%}), duplicates {quality.duplicates} "
        f"({quality.duplicate_share:.2%})"
    )
    rows = [
        (c.name, *(_rounded(value) for value in (c.null_rate, c.min, c.p50, c.p99, c.max, c.mean)), c.distinct)
        for c in quality.columns
    ]
    output.table(("column", "null rate", "min", "p50", "p99", "max", "mean", "distinct"), rows, width=WIDTH)


def state_words(state: "StateSize") -> str:
    """Return what a key holds in state: `44 bytes a key, 19 for each id of 10m, 11 for each event of 24h`."""
    said = [f"{state.key_bytes} bytes a key"]
    for held in state.held:
        extent = f"the last {held.rows} events" if held.rows else _span(held.span_ms / 1000)
        what = {"ids": "id", "events": "event", "panes": "pane"}[held.what]
        most = f", at most {held.most:,}" if held.most else ""
        said.append(f"{held.bytes_each} for each {what} of {extent}{most}")
    return ", ".join(said)


def impact_rows(impact: "Impact") -> list[tuple[str, object, object]]:
    """Return the figures of a model with some columns and without them, side by side."""
    names = ("pr_auc", "roc_auc", "precision", "recall", "precision_at_100", "alerts")
    rows: list[tuple[str, object, object]] = [
        (name, _rounded(getattr(impact.all, name)), _rounded(getattr(impact.less, name))) for name in names
    ]
    if impact.pr_auc_gain is not None:
        low, high = _rounded(impact.pr_auc_gain_low), _rounded(impact.pr_auc_gain_high)
        rows.append(("pr_auc gained", f"{impact.pr_auc_gain:+.4g} ({low} to {high})", None))
    rows.append(("same alerts", _rounded(impact.same_alerts), None))
    return rows


def _rounded(value: float | None) -> float | None:
    """Return a number with four significant digits: eight of them stand side by side."""
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    from headrace_ingestion.durations import format_duration

    return format_duration(timedelta(seconds=seconds))


def age_text(age_ms: int) -> str:
    """Return an age in its largest unit that is not above it: `1.5 s`, `1234 d`."""
    unit, length_ms = next(((unit, ms) for unit, ms in _UNITS_MS if age_ms >= ms), ("ms", 1))
    length = age_ms / length_ms
    # Three digits, and never with an exponent: a history may be years old.
    return f"{length:.0f} {unit}" if length >= 100 else f"{length:.3g} {unit}"
