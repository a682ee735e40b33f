"""The form of an error and its survival of pickling."""

import pickle
from typing import get_args

import pytest
from headrace_ingestion.errors import (
    REASONS,
    BrokerUnavailableError,
    DeclarationError,
    EventError,
    HeadraceError,
    QueueFullError,
    Reason,
    RetryableError,
    UnknownTopicError,
    closest,
    four_parts,
)


def test_an_error_says_what_failed_what_exists_and_what_to_type() -> None:
    error = HeadraceError("the event 'cal' has no contract", {"events": "call, label"}, "call")
    assert str(error) == "the event 'cal' has no contract\n  events:  call, label\n  try:     call"


def test_labels_are_padded_to_the_longest() -> None:
    assert four_parts("it failed", {"expected": "more", "at": "home"}, "again") == (
        "it failed\n  expected:  more\n  at:        home\n  try:       again"
    )


def test_a_fact_without_text_is_left_out() -> None:
    assert four_parts("it failed", {"fields": ""}) == "it failed"


@pytest.mark.parametrize(
    "error",
    [
        EventError("refused", {"a": "b"}, "c", reason="pattern", detail="d", field="f"),
        DeclarationError("wrong", path="events/call.yaml", line=3),
        QueueFullError("full"),
    ],
)
def test_an_error_survives_a_process_border(error: HeadraceError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_retryable_is_in_the_type() -> None:
    assert issubclass(QueueFullError, RetryableError)
    assert issubclass(BrokerUnavailableError, RetryableError)
    assert not issubclass(UnknownTopicError, RetryableError)


def test_the_reasons_are_those_of_the_wire_format() -> None:
    assert get_args(Reason) == REASONS
    assert len(REASONS) == 13


def test_a_name_that_looks_like_none_has_no_closest() -> None:
    assert closest("lagg", ["window", "lag"]) == "lag"
    assert closest("xyzzy", ["window", "lag"]) is None
