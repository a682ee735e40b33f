"""The tree of errors of the SDK, and the one form in which headrace says that something failed.

HeadraceError
├── DeclarationError            a file of the project is wrong
├── SettingsError               a setting or an environment variable is wrong
├── UnknownEventError           there is no contract of that name
├── EventError                  an event breaks its contract
├── DeliveryError               an event was accepted and could not be delivered
│   ├── QueueFullError          (retryable) the bounded queue stayed full
│   │   └── EventDroppedError   the event made place for a newer one
│   ├── EventSpilledError       the event stands on disk and is sent later
│   ├── BrokerUnavailableError  (retryable) no broker acknowledged in time
│   ├── UnknownTopicError       the broker has no such topic
│   ├── RecordTooLargeError     the broker takes no record of this size
│   ├── AccessDeniedError       the broker refused these credentials or this topic
│   ├── BrokerRefusedError      the broker gave another reason
│   └── ProducerClosedError     the producer is closed, or belongs to another process
└── RetryableError              marker: the same call may succeed later
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

Reason = Literal[
    "not_json",
    "unknown_field",
    "missing_field",
    "wrong_type",
    "out_of_range",
    "pattern",
    "not_allowed",
    "too_long",
    "wrong_key",
    "wrong_event_id",
    "from_the_future",
    "unmatched",
    "too_large",
]
"""Why a record is refused; the `reason` of a dead letter."""

REASONS: tuple[Reason, ...] = get_args(Reason)


def four_parts(failure: str, facts: Mapping[str, str] | None = None, try_: str | None = None) -> str:
    """Return the text of an error: what failed, then what exists or is expected and where, then what to type.

    Args:
        failure: One sentence with the name and the value of what failed.
        facts: Label to text, in order; each becomes a line `  label:  text`. Empty texts are left out.
        try_: The command or text to type next.
    """
    lines = {label: text for label, text in (facts or {}).items() if text}
    if try_:
        lines["try"] = try_
    width = max((len(label) for label in lines), default=0) + 1
    return "\n".join([failure, *(f"  {label + ':':<{width}}  {text}" for label, text in lines.items())])


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, or None when none does."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return matches[0] if matches else None


class HeadraceError(Exception):
    """Base of all errors that headrace raises on purpose; its text has the four parts."""

    def __init__(self, failure: str, facts: Mapping[str, str] | None = None, try_: str | None = None) -> None:
        super().__init__(four_parts(failure, facts, try_))

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take keyword-only attributes; pickle's default would call them with the message alone.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[HeadraceError], args: tuple[Any, ...], state: dict[str, Any]) -> HeadraceError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RetryableError(HeadraceError):
    """Marker: the same call may succeed later, with nothing changed."""


class DeclarationError(HeadraceError):
    """A file of the project is wrong.

    Attributes:
        path: The file, as shown in the message.
        line: Line in the file, from 1; None when the whole file is meant.
    """

    def __init__(
        self,
        failure: str,
        facts: Mapping[str, str] | None = None,
        try_: str | None = None,
        *,
        path: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(failure, facts, try_)
        self.path = path
        self.line = line


class SettingsError(HeadraceError):
    """A setting, or the environment variable it comes from, is wrong."""


class UnknownEventError(HeadraceError):
    """There is no contract of that name."""


class EventError(HeadraceError):
    """An event breaks its contract; nothing was sent.

    Attributes:
        reason: One of `REASONS`.
        detail: The same sentence that a dead letter would carry.
        field: The field that is wrong, or None when the whole event is.
    """

    def __init__(
        self,
        failure: str,
        facts: Mapping[str, str] | None = None,
        try_: str | None = None,
        *,
        reason: Reason,
        detail: str,
        field: str | None = None,
    ) -> None:
        super().__init__(failure, facts, try_)
        self.reason = reason
        self.detail = detail
        self.field = field


class DeliveryError(HeadraceError):
    """An accepted event could not be delivered."""


class QueueFullError(DeliveryError, RetryableError):
    """The bounded queue of the producer was full, for as long as its policy waits."""


class EventDroppedError(QueueFullError):
    """The event was taken, waited for a broker, and made place for a newer one; it was not written."""


class EventSpilledError(DeliveryError):
    """The event found no broker and stands in the spill folder, from where it is sent when one answers."""


class BrokerUnavailableError(DeliveryError, RetryableError):
    """No broker acknowledged the event before the delivery timeout; it may have been written all the same."""


class UnknownTopicError(DeliveryError):
    """The broker has no such topic, and topics are not created by sending."""


class RecordTooLargeError(DeliveryError):
    """The broker takes no record of this size."""


class AccessDeniedError(DeliveryError):
    """The broker refused the credentials or the access to the topic."""


class BrokerRefusedError(DeliveryError):
    """The broker refused the record for a reason that has no class of its own."""


class ProducerClosedError(DeliveryError):
    """The producer is closed, or was made in the process this one was forked from."""
