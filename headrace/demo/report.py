"""The figures of a demonstration, asked of the lake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_features.verify import ParityReport
    from headrace_models.registry import ModelVersion

    from headrace.project import Project

SHOWN_ALERTS = 5


@dataclass(frozen=True)
class Report:
    """What a demonstration showed.

    Attributes:
        events: Calls in the lake.
        feature_rows: Feature rows in the lake.
        scores: Scores in the lake, once per (model, variant, event id).
        alerts: Alerts in the lake.
        scored_after_training: Calls that came after the training, over which precision and recall count.
        precision: Share of the alerts that were fraud; None without alerts.
        recall: Share of the fraud that was alerted; None without fraud.
        parity: Rows compared and rows that differ.
        latency_ms: Of the calls after the training: from the record's timestamp to the instant at which the job made
            the row (`event_to_feature`) and the scorer made the score (`event_to_score`).
        dead_letters: Records that the contract refused.
        model: Version and gates.
        top_alerts: The strongest alerts with their reasons.
        seconds: Of the whole demonstration.
    """

    events: int
    feature_rows: int
    scores: int
    alerts: int
    scored_after_training: int
    precision: float | None
    recall: float | None
    parity: dict[str, int]
    latency_ms: dict[str, dict[str, float]]
    dead_letters: int
    model: dict[str, Any]
    top_alerts: list[dict[str, Any]]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def make_report(
    project: Project, version: ModelVersion, parity: ParityReport, truth: Mapping[str, bool], *, seconds: float
) -> Report:
    """Return the figures of what the project's lake holds."""
    judged = _rows(project, "SELECT event_id, alert FROM scores.roaming_fraud WHERE variant = 'champion'")
    after = [(row["alert"], truth[row["event_id"]]) for row in judged if row["event_id"] in truth]
    hits = sum(alert and fraud for alert, fraud in after)
    alerts = sum(alert for alert, _ in after)
    frauds = sum(truth.values())
    return Report(
        events=_count(project, "events.call"),
        feature_rows=_count(project, "features.subscriber"),
        scores=_count(project, "scores.roaming_fraud"),
        alerts=_count(project, "ops.alerts"),
        scored_after_training=len(after),
        precision=hits / alerts if alerts else None,
        recall=hits / frauds if frauds else None,
        parity={"rows": parity.rows, "mismatches": parity.mismatches},
        latency_ms=_latency(project, list(truth)),
        dead_letters=_count(project, "ops.dead_letters"),
        model={"name": version.name, "version": version.version, "gates": version.tags.get("gate_results")},
        top_alerts=_top_alerts(project),
        seconds=round(seconds, 1),
    )


def _rows(project: Project, query: str, parameters: Any = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = project.lake.sql(query, parameters).arrow().to_pylist()
    return rows


def _count(project: Project, table: str) -> int:
    return int(_rows(project, f"SELECT count(*) AS n FROM {table}")[0]["n"])


def _latency(project: Project, event_ids: list[str]) -> dict[str, dict[str, float]]:
    query = """
        SELECT
          quantile_cont(epoch_ms(emitted_at) - epoch_ms(ingested_at), [0.5, 0.99]) AS event_to_feature,
          quantile_cont(epoch_ms(scored_at) - epoch_ms(ingested_at), [0.5, 0.99]) AS event_to_score
        FROM scores.roaming_fraud
        WHERE variant = 'champion' AND list_contains($ids, event_id)
    """
    found = _rows(project, query, {"ids": event_ids})[0]
    return {
        hop: dict(zip(("p50", "p99"), found[hop] or (0.0, 0.0), strict=True))
        for hop in ("event_to_feature", "event_to_score")
    }


def _top_alerts(project: Project) -> list[dict[str, Any]]:
    query = f"""
        SELECT c.started_at, s.key AS subscriber, c.country, c.callee_country, round(c.duration_s) AS seconds,
               round(s.score, 3) AS score, s.reasons
        FROM ops.alerts s JOIN events.call c USING (event_id)
        WHERE s.variant = 'champion'
        ORDER BY s.score DESC, c.started_at DESC LIMIT {SHOWN_ALERTS}
    """
    alerts = _rows(project, query)
    for alert in alerts:
        reasons = alert["reasons"]
        alert["reasons"] = json.loads(reasons) if isinstance(reasons, str) else reasons
        alert["started_at"] = alert["started_at"].isoformat()
    return alerts
