"""Events that are made of others: their contracts follow from those of their sources."""

from pathlib import Path

import pytest
from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import load_contracts
from headrace_ingestion.derived import DerivedContract, load_derived
from headrace_ingestion.errors import DeclarationError
from headrace_ingestion.merged import merged_id
from headrace_ingestion.rekeyed import RekeyedContract

PAYMENT = """\
name: payment
version: 1
key: card_id
time: at
max_ahead: 2m
fields:
  card_id: {type: string, pii: hash}
  at: {type: timestamp}
  amount: {type: double, minimum: 0}
  terminal_id: {type: long}
  channel: {type: enum, values: [shop, web]}
"""
LOGIN = """\
name: login
version: 2
key: card_id
time: at
fields:
  card_id: {type: string, max_length: 20, pii: hash}
  at: {type: timestamp}
  device: {type: string}
  channel: {type: enum, values: [web, app], default: web}
"""
REPORT = """\
name: fraud_report
version: 1
key: payment_id
time: at
fields:
  payment_id: {type: string}
  at: {type: timestamp}
  fraud: {type: bool}
"""
ACTIVITY = "name: activity\nversion: 1\nkey: card_id\nmerge: [payment, login]\n"
OUTCOME = """\
name: payment_outcome
version: 1
key: terminal_id
join: {label: fraud_report, to: payment, by: payment_id, delay: 7d}
"""
TERMINAL = "name: at_terminal\nversion: 1\nkey: terminal_id\nmerge: [payment, payment_outcome]\n"


def load(folder: Path, *texts: str) -> dict[str, DerivedContract]:
    events = folder / "events"
    events.mkdir(exist_ok=True)
    for text in (PAYMENT, LOGIN, REPORT, *texts):
        name = text.split()[1]
        (events / f"{name}.yaml").write_text(text)
    return load_derived(events, load_contracts(events, root=folder), root=folder)


def failure(folder: Path, *texts: str) -> str:
    with pytest.raises(DeclarationError) as caught:
        load(folder, *texts)
    return str(caught.value)


def test_a_merge_has_the_fields_of_its_events_and_says_which_one_a_record_was(tmp_path: Path) -> None:
    found = load(tmp_path, ACTIVITY)["activity"]
    assert {name: (field.type, field.required) for name, field in found.fields.items()} == {
        "event": ("enum", True),
        "at": ("timestamp", True),
        "card_id": ("string", True),
        "amount": ("double", False),
        "terminal_id": ("long", False),
        "channel": ("enum", True),
        "device": ("string", False),
    }
    assert found.fields["event"].values == ("payment", "login")
    assert found.fields["channel"].values == ("shop", "web", "app")
    assert found.fields["amount"].minimum == 0
    # What one of them demands does not narrow the other; what it hides stays hidden.
    assert (found.fields["card_id"].max_length, found.fields["card_id"].pii) == (None, "hash")
    assert (found.time, found.progress, found.topic("x."), found.table) == ("at", "at", "x.events.activity", "activity")
    assert found.max_ahead.total_seconds() == 300
    assert found.place_of("amount") == "events/activity.yaml"


def test_events_that_are_made_of_others_are_not_among_those_that_are_sent(tmp_path: Path) -> None:
    load(tmp_path, ACTIVITY, OUTCOME, TERMINAL)
    assert list(load_contracts(tmp_path / "events")) == ["fraud_report", "login", "payment"]


def test_a_join_has_the_fields_of_both_and_two_more_times(tmp_path: Path) -> None:
    found = load(tmp_path, OUTCOME)["payment_outcome"]
    assert list(found.fields) == [
        "visible_at", "told_at", "card_id", "at", "amount", "terminal_id", "channel",
        "payment_id", "fraud_report_at", "fraud",
    ]  # fmt: skip
    assert (found.time, found.progress, found.max_ahead.days) == ("visible_at", "told_at", 7)
    by_card = RekeyedContract(found, "card_id")
    assert (by_card.progress, by_card.table) == ("told_at", "payment_outcome_by_card_id")


def test_a_merge_with_labels_has_a_time_of_its_own_and_goes_on_by_when_labels_were_told(tmp_path: Path) -> None:
    found = load(tmp_path, TERMINAL, OUTCOME)["at_terminal"]
    assert list(found.fields)[:3] == ["event", "happened_at", "told_at"]
    assert (found.time, found.progress, found.max_ahead.days) == ("happened_at", "told_at", 7)
    assert found.fields["at"].required
    assert not found.fields["visible_at"].required
    assert [source.name for source in found.sources] == ["payment", "payment_outcome"]


def test_what_an_event_is_made_of_counts_in_its_digest(tmp_path: Path) -> None:
    first = load(tmp_path, TERMINAL, OUTCOME)
    second = load(tmp_path, TERMINAL, OUTCOME.replace("7d", "8d"))
    assert {name for name in first if first[name].digest != second[name].digest} == {"at_terminal", "payment_outcome"}


def test_ids_of_different_events_never_meet() -> None:
    assert merged_id("login", "a") == "login:a"
    long = {merged_id(name, "x" * 128) for name in ("payment", "login")}
    assert len(long) == 2
    assert max(map(len, long)) == 64


def test_a_merge_is_read_by_the_usual_parser(tmp_path: Path) -> None:
    assert callable(compile_parser(load(tmp_path, ACTIVITY)["activity"]))


WRONG = {
    "two types": (
        [ACTIVITY, LOGIN.replace("device: {type: string}", "amount: {type: long}")],
        "events/activity.yaml line 4: the field 'amount' is double in 'payment' and long in 'login'\n"
        "  payment:  events/payment.yaml line 9\n"
        "  login:    events/login.yaml line 8\n"
        "  try:      rename the field 'amount' of one of the two, or give both one type",
    ),
    "no such event": (
        [ACTIVITY.replace("login", "logins")],
        "events/activity.yaml line 4: 'merge' names the event 'logins', which nobody sends and no join makes\n"
        "  events:  fraud_report, login, payment\n"
        "  try:     login",
    ),
    "a merge of a merge": (
        [ACTIVITY, ACTIVITY.replace("activity", "more").replace("login", "activity")],
        "events/more.yaml line 4: 'merge' names the event 'activity', which nobody sends and no join makes\n"
        "  events:  fraud_report, login, payment",
    ),
    "twice": (
        [ACTIVITY.replace("login", "payment")],
        "events/activity.yaml line 4: 'merge' names an event twice\n"
        "  expected:  different events\n"
        "  try:       remove one",
    ),
    "key of one only": (
        [ACTIVITY.replace("card_id", "terminal_id")],
        "events/activity.yaml line 3: 'key' names the field 'terminal_id', which 'login' does not have, or does not"
        " require\n"
        "  fields:    card_id\n"
        "  expected:  one that all events require, of type string, int, long\n"
        "  try:       key: card_id",
    ),
    "a field event": (
        [ACTIVITY, LOGIN.replace("device", "event")],
        "events/activity.yaml line 4: the merge writes a field 'event' of its own, and the event 'login' has one\n"
        "  field:  events/login.yaml line 8\n"
        "  try:    rename the field 'event' of 'login'",
    ),
    "a time that is something else": (
        [ACTIVITY + "time: amount\n"],
        "events/activity.yaml line 5: the merge writes a field 'amount' of its own, and the event 'payment' has one\n"
        "  field:  events/payment.yaml line 9\n"
        "  try:    time: merged_at",
    ),
    "no id of a payment": (
        [OUTCOME.replace("by: payment_id", "by: payment")],
        "events/payment_outcome.yaml line 4: 'by' names 'payment', which is no required string of the event"
        " 'fraud_report'\n"
        "  fields:    payment_id\n"
        "  contract:  events/fraud_report.yaml\n"
        "  try:       by: payment_id",
    ),
    "no label": (
        [OUTCOME.replace("fraud_report", "reports")],
        "events/payment_outcome.yaml line 4: 'label' names the event 'reports', which nobody sends and no join makes\n"
        "  events:  fraud_report, login, payment",
    ),
    "a field of its own": (
        [OUTCOME, REPORT.replace("fraud: ", "visible_at: ")],
        "events/payment_outcome.yaml line 4: the join would have two fields 'visible_at', one of them of"
        " 'fraud_report'\n"
        "  field:     events/fraud_report.yaml line 8\n"
        "  expected:  names that differ\n"
        "  try:       time: seen_at, or rename the field",
    ),
    "a key that may be missing": (
        [OUTCOME.replace("terminal_id", "device")],
        "events/payment_outcome.yaml line 3: 'key' names 'device', which no required field of the join is called\n"
        "  fields:    card_id, terminal_id, payment_id\n"
        "  expected:  a field of type string, int, long\n"
        "  try:       key: card_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_named(tmp_path: Path, case: str) -> None:
    texts, wanted = WRONG[case]
    assert failure(tmp_path, *texts) == wanted


def test_an_event_that_is_sent_has_its_name_for_itself(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "zz.yaml").write_text(ACTIVITY.replace("name: activity", "name: login"))
    assert failure(tmp_path) == (
        "events/zz.yaml: the event 'login' is declared twice\n"
        "  first:     events/login.yaml\n"
        "  expected:  one contract an event\n"
        "  try:       rename or remove one of the two"
    )


def test_a_field_that_only_one_event_of_a_merge_hashes_is_refused(tmp_path: Path) -> None:
    clear = PAYMENT.replace("card_id: {type: string, pii: hash}", "card_id: {type: string}")
    assert failure(tmp_path, clear, ACTIVITY) == (
        "events/activity.yaml line 4: the field 'card_id' is hashed in 'login' and not in 'payment':"
        " nothing of one would ever be found in the other\n"
        "  login:    events/login.yaml line 6\n"
        "  payment:  events/payment.yaml line 7\n"
        "  try:      pii: hash for the field 'card_id' of 'payment', too, or rename it"
    )


def test_an_event_id_that_is_hidden_joins_nothing(tmp_path: Path) -> None:
    hidden = REPORT.replace("payment_id: {type: string}", "payment_id: {type: string, pii: hash}")
    assert failure(tmp_path, hidden, OUTCOME) == (
        "events/payment_outcome.yaml line 4: 'by' names 'payment_id', which is sent with pii: hash"
        " and is no event id then\n"
        "  fields:    none\n"
        "  contract:  events/fraud_report.yaml line 6"
    )
