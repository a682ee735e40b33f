"""The example `cards` on the first transactions of the labelled data, from the file to the PR AUC that SQL computes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_example import FULL_VARIABLE, Example, StartExample

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(1500)]

TRANSACTIONS = 50_000 if os.environ.get(FULL_VARIABLE) else 10_000
"""Enough frauds to train on need more than what shows that rows are whole and equal."""


@pytest.fixture(scope="module")
def file(data_folder: Path) -> str:
    """The file of transactions, oldest first."""
    return str(data_folder / "cards" / "events.parquet")


@pytest.fixture(scope="module")
def cards(start_example: StartExample) -> Iterator[Example]:
    """The example, running."""
    with start_example("cards") as example:
        yield example


def test_transactions_and_chargebacks_are_two_events_of_one_file(cards: Example, file: str) -> None:
    first = ("--limit", str(TRANSACTIONS))
    sent = cards.run("events", "replay", file, "--event", "transaction", *first)
    assert (sent["sent"], sent["refused"]) == (TRANSACTIONS, 0)
    labels = ("--map", "transaction_id=event_id", "--map", "known_at=ts", "--shift", "known_at=24h")
    told = cards.run("events", "replay", file, "--event", "chargeback", *labels, *first)
    assert (told["sent"], told["refused"]) == (TRANSACTIONS, 0)
    for event in ("transaction", "chargeback"):
        cards.await_rows(f"events.{event}", TRANSACTIONS)
    matched = """
        SELECT count(*) FROM events.transaction t JOIN events.chargeback l ON l.transaction_id = t.event_id
        WHERE l.card = t.card AND l.known_at = t.ts + INTERVAL 24 HOUR
    """
    assert cards.value(matched) == TRANSACTIONS


def test_every_feature_row_equals_the_one_that_the_lake_gives(cards: Example) -> None:
    cards.await_rows("features.card", TRANSACTIONS)
    parity = cards.run("features", "verify", "card")["card"]
    assert (parity["rows"], parity["mismatches"]) == (TRANSACTIONS, 0)


@pytest.mark.full
def test_the_pr_auc_in_sql_is_that_of_scikit_learn(cards: Example) -> None:
    from sklearn.metrics import average_precision_score

    trained = cards.run("models", "train", "card_fraud")
    assert trained["gates_hold"], trained
    cards.run("models", "promote", "card_fraud")
    cards.await_rows("scores.card_fraud", TRANSACTIONS)
    (answer,) = cards.run("lake", "sql", "pr_auc")
    query = """
        SELECT l.is_fraud, s.score FROM scores.card_fraud s JOIN events.chargeback l ON l.transaction_id = s.event_id
        WHERE s.variant = 'champion' ORDER BY s.event_time, s.event_id
    """
    rows = cards.project.lake.sql(query).rows
    newest = rows[int(0.8 * len(rows)) :]
    frauds = [fraud for fraud, _ in newest]
    assert (answer["transactions"], answer["frauds"]) == (len(newest), sum(frauds))
    expected = average_precision_score(frauds, [score for _, score in newest])
    assert answer["pr_auc"] == pytest.approx(expected, abs=1e-9)
    assert expected > 0.5
