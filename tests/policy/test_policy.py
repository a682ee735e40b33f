"""What follows from the rules of a policy, how a wrong one is refused, and `lake sql --as`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from as_typed import run
from headrace_ingestion.errors import DeclarationError
from headrace_lake.audit import Note
from headrace_lake.catalog import Lake
from headrace_lake.commit import append_rows
from headrace_lake.guarded import Guard, Shown
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import late_events_table

import headrace
from headrace.policy.audit import MOST_NOTES, Audit
from headrace.policy.origins import copies_of
from headrace.policy.reading import guard_of
from headrace.policy.rules import Policy, PolicyError, PolicyFile
from headrace.project import Project

POLICY = """\
rules:
  - name: analysts read operations
    principals: [analyst, "team-*"]
    actions: [sql:read]
    resources: [ops.*]
    mask: [key]
  - name: nobody reads alerts
    effect: deny
    principals: ["*"]
    actions: [sql:read]
    resources: [ops.alerts]
  - name: no test events
    effect: deny
    principals: ["team-*"]
    actions: [sql:read]
    resources: [ops.late_events]
    where: event = 'test'
  - name: billing
    principals: [billing]
    actions: [events:write, features:read]
    resources: [call]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a policy, and three late events in its lake."""
    import pyarrow as pa

    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "policy.yaml").write_text(POLICY)
    project = headrace.open(tmp_path)
    spec = late_events_table()
    rows = [{"view": "v", "event": event, "event_id": "e", "key": "k"} for event in ("call", "test", None)]
    append_rows(project.folders.lake, spec, pa.Table.from_pylist(rows, schema=arrow_schema(spec)), "test")
    return project


def policy(project: Project) -> Policy:
    """The policy of the project."""
    found = PolicyFile(project.folder).policy()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("principal", "action", "resource", "why"),
    [
        ("analyst", "sql:read", "ops.duplicates", None),
        ("team-7", "sql:read", "ops.duplicates", None),
        ("billing", "events:write", "call", None),
        ("analyst", "sql:read", "ops.alerts", "the rule 'nobody reads alerts' denies it"),
        ("analyst", "sql:read", "events.call", "no rule allows it"),
        ("billing", "events:write", "device", "no rule allows it"),
        ("stranger", "sql:read", "ops.duplicates", "no rule allows it"),
        ("billing", "sql:read", "call", "no rule allows it"),
    ],
)
def test_nothing_is_allowed_but_by_a_rule_and_a_denial_wins(
    project: Project, principal: str, action: str, resource: str, why: str | None
) -> None:
    decision = policy(project).decide(principal, action, resource)
    assert decision.allowed == (why is None)
    if why is not None:
        assert decision.why == why


def test_conditions_are_joined_so_that_the_strictest_holds() -> None:
    rule = {"principals": ["a"], "actions": ["sql:read"], "resources": ["t"]}
    some = {**rule, "name": "some", "where": "x = 1", "mask": ["m"]}
    more = {**rule, "name": "more", "where": "x = 2 OR y"}
    none = {**rule, "name": "none", "where": "z", "effect": "deny"}
    every = {**rule, "name": "every"}
    decide = {
        "some more none": "((x = 1) OR (x = 2 OR y)) AND (coalesce(NOT (z), false))",
        "some every": None,
        "every none": "(coalesce(NOT (z), false))",
    }
    rules = {"some": some, "more": more, "none": none, "every": every}
    for names, where in decide.items():
        chosen = Policy.model_validate({"rules": [rules[name] for name in names.split()]})
        decision = chosen.decide("a", "sql:read", "t")
        assert (decision.where, decision.masked) == (where, frozenset({"m"} if "some" in names else ()))


def test_explain_shows_the_decision_and_its_rules(project: Project) -> None:
    answer = run(project, "policy", "explain", "team-1", "sql:read", "ops.late_events", "--output", "json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {
        "allowed": True,
        "why": "allowed by 'analysts read operations'",
        "rules": "analysts read operations, no test events",
        "where": "(coalesce(NOT (event = 'test'), false))",
        "masked": "key",
    })  # fmt: skip
    assert run(project, "policy", "explain", "analyst", "sql:read", "ops.alerts").exit_code == 1


def test_a_query_as_somebody_shows_what_they_may_see_and_is_written_down(project: Project) -> None:
    query = "select event, key from ops.late_events"
    answer = run(project, "lake", "sql", query, "--as", "team-1", "--format", "json")
    # Of the event without a name nobody knows that it is no test.
    assert [json.loads(line) for line in answer.stdout.splitlines()] == [{"event": "call", "key": "***"}]
    assert len(run(project, "lake", "sql", query, "--format", "json").stdout.splitlines()) == 3
    denied = run(project, "lake", "sql", "select 1 from ops.alerts", "--as", "team-1")
    assert denied.exit_code == 1
    assert denied.stderr == (
        "PolicyError: the policy does not allow 'team-1' sql:read of 'ops.alerts'\n"
        "  why:     the rule 'nobody reads alerts' denies it\n"
        "  policy:  policy.yaml\n"
        "  try:     headrace policy explain team-1 sql:read ops.alerts\n"
    )
    audit = project.lake.sql("select principal, resource, decision, query from ops.audit order by last_at").rows
    assert audit == [
        ("team-1", "ops.late_events", "allowed", query),
        ("team-1", "ops.alerts", "denied", "select 1 from ops.alerts"),
    ]


def test_without_a_policy_nobody_can_be_impersonated(project: Project) -> None:
    (project.folder / "policy.yaml").unlink()
    answer = run(project, "lake", "sql", "select 1", "--as", "analyst")
    assert answer.stderr.startswith("PolicyError: the project has no policy\n")


@pytest.mark.parametrize(
    ("rule", "line", "failure"),
    [
        ("actions: [events:write]\n    mask: [a]", 2, "'mask' is for what a rule allows to read"),
        ("actions: [features:read]\n    where: a = 1", 2, "'where' is a condition of rows"),
        ("actions: [sql:read]\n    where: a = = 1", 2, "the expression cannot be read: syntax error"),
        ("actions: [sql:raed]", 5, "actions"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(project: Project, rule: str, line: int, failure: str) -> None:
    (project.folder / "policy.yaml").write_text(
        f"rules:\n  - name: one\n    principals: [a]\n    resources: [b]\n    {rule}\n"
    )
    with pytest.raises(DeclarationError) as wrong:
        policy(project)
    assert str(wrong.value).startswith(f"policy.yaml line {line}: ")
    assert failure in str(wrong.value)


def test_a_policy_that_changes_is_read_again(project: Project) -> None:
    file = PolicyFile(project.folder)
    assert file.policy() == policy(project)
    (project.folder / "policy.yaml").write_text("rules: []\n")
    found = file.policy()
    assert found is not None
    assert not found.decide("analyst", "sql:read", "ops.duplicates").allowed


def test_equal_requests_are_one_row_and_the_gathered_notes_are_bounded(tmp_path: Path) -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    audit = Audit(tmp_path, lambda: at)
    for number in range(MOST_NOTES + 5):
        audit.note(Note("a", "http", "features:read", f"view{number}", "denied", "no"))
        audit.note(Note("a", "http", "features:read", "view0", "denied", "no"))
    audit.flush()
    audit.flush()
    lake = Lake(tmp_path)
    query = "select resource, requests from ops.audit where requests > 1 order by all"
    assert lake.sql(query).rows == [("view0", MOST_NOTES + 6), ("…", 5)]
    assert lake.sql("select count(*), sum(requests) from ops.audit").rows == [(MOST_NOTES + 1, 2 * (MOST_NOTES + 5))]


def test_the_rules_of_an_event_hold_for_it_by_another_key(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "features").mkdir()
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "policy.yaml").write_text(
        POLICY.replace("[ops.alerts]", "[events.pay]").replace("[ops.*]", "[events.*]")
    )
    (tmp_path / "events" / "pay.yaml").write_text(
        "name: pay\nversion: 1\nkey: card\ntime: at\n"
        "fields: {card: {type: string}, shop: {type: string}, at: {type: timestamp}}\n"
    )
    (tmp_path / "features" / "shop.yaml").write_text(
        "name: shop\nsource: pay\nkey: shop\nfeatures: [{since_last: {}}]\nttl: 1h\n"
    )
    project = headrace.open(tmp_path)
    denied = run(project, "lake", "sql", "select card from events.pay_by_shop", "--as", "analyst")
    assert denied.exit_code == 1
    assert denied.stderr.startswith("PolicyError: the policy does not allow 'analyst' sql:read of 'events.pay'\n")
    told = run(project, "policy", "explain", "analyst", "sql:read", "events.pay_by_shop", "--output", "json")
    assert (told.exit_code, json.loads(told.stdout)["why"]) == (1, "the rule 'nobody reads alerts' denies it")


MADE_OF_OTHERS = {
    "events/pay.yaml": "name: pay\nversion: 1\nkey: card\ntime: at\n"
    "fields: {card: {type: string}, shop: {type: string}, at: {type: timestamp}}\n",
    "events/visit.yaml": "name: visit\nversion: 1\nkey: card\ntime: at\n"
    "fields: {card: {type: string}, page: {type: string}, at: {type: timestamp}}\n",
    "events/report.yaml": "name: report\nversion: 1\nkey: pay_id\ntime: at\n"
    "fields: {pay_id: {type: string}, fraud: {type: bool}, at: {type: timestamp}}\n",
    "events/outcome.yaml": "name: outcome\nversion: 1\nkey: card\n"
    "join: {label: report, to: pay, by: pay_id, delay: 7d}\n",
    "events/activity.yaml": "name: activity\nversion: 1\nkey: card\nmerge: [pay, visit, outcome]\n",
    "policy.yaml": """\
rules:
  - {name: shops, principals: [a, b], actions: [sql:read], resources: [events.pay], where: shop = 's', mask: [card]}
  - {name: late, principals: [a], actions: [sql:read], resources: [events.report], where: fraud, mask: [at]}
  - {name: rest, principals: [a, b, c], actions: [sql:read], resources: [events.visit, events.outcome, events.activity]}
""",
}


def test_the_rules_of_all_events_hold_for_what_is_made_of_them(tmp_path: Path) -> None:
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "events").mkdir()
    for name, text in MADE_OF_OTHERS.items():
        (tmp_path / name).write_text(text)
    project = headrace.open(tmp_path)
    for principal, table in (("c", "activity"), ("b", "outcome"), ("b", "activity")):
        with pytest.raises(PolicyError, match="'events.pay'" if principal == "c" else "'events.report'"):
            guard(project, principal)(f"events.{table}")
    # A column of the same name is the one of the event: nothing is shown rather than the wrong rows.
    assert guard(project, "a")("events.outcome") == Shown(
        "(((shop = 's'))) AND (false)", frozenset({"card", "report_at", "told_at", "visible_at"})
    )
    shown = guard(project, "a")("events.activity")
    assert shown.where == (
        "(event <> 'pay' OR (((shop = 's')))) AND (event <> 'outcome' OR (((shop = 's'))))"
        " AND (event <> 'outcome' OR (false))"
    )
    assert shown.masked == {"card", "report_at", "told_at", "visible_at", "happened_at"}
    told = json.loads(run(project, "policy", "explain", "a", "sql:read", "events.outcome", "--output", "json").stdout)
    assert told == {
        "allowed": True, "why": "allowed by 'rest'; allowed by 'shops'; allowed by 'late'",
        "rules": "rest, shops, late",
        "where": "(((shop = 's'))) AND (false)", "masked": "card, report_at, told_at, visible_at",
    }  # fmt: skip
    assert run(project, "policy", "explain", "b", "sql:read", "events.outcome").exit_code == 1


def guard(project: Project, principal: str) -> Guard:
    audit = Audit(project.folder / "lake")
    return guard_of(policy(project), principal, "", "test", audit, copies_of(project))
