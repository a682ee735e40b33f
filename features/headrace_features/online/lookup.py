"""Looking up the newest values of one entity, with their age checked against the view's `ttl`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from headrace_features.online.errors import OnlineStoreError
from headrace_features.online.row import OnlineRow
from headrace_features.online.store import GuardedStore
from headrace_features.view import View

Freshness = Literal["fresh", "expired", "outdated"]
"""`expired`: older than the view's ttl. `outdated`: computed by another declaration of the view."""


@dataclass(frozen=True, slots=True)
class OnlineValues:
    """What the online store knows of one entity.

    Attributes:
        view: Name of the view.
        key: The entity key, as text.
        values: Every column of the view by name; None for each when the values are withheld.
        event_time: The event's own time, UTC.
        clock: The key's clock the values stand at, UTC; age counts from here.
        age: Now less the clock; never negative.
        ttl: How old values may be to be served.
        expired: Whether they are older than that.
        outdated: Whether another declaration of the view computed them: the same name may mean something else there.
        declaration: Hash of the declaration that computed them.
    """

    view: str
    key: str
    values: Mapping[str, Any]
    event_time: datetime
    clock: datetime
    age: timedelta
    ttl: timedelta
    expired: bool
    outdated: bool
    declaration: str

    @property
    def freshness(self) -> Freshness:
        """Return in one word whether the values may be served."""
        if self.outdated:
            return "outdated"
        return "expired" if self.expired else "fresh"

    def as_data(self) -> dict[str, Any]:
        """Return all of it but the values, in values that JSON has."""
        return {
            "view": self.view,
            "key": self.key,
            "freshness": self.freshness,
            "age_seconds": self.age.total_seconds(),
            "ttl_seconds": self.ttl.total_seconds(),
            "event_time": self.event_time.isoformat(),
            "clock": self.clock.isoformat(),
            "declaration": self.declaration,
        }


def freshness(row: OnlineRow, *, ttl_ms: int, now_ms: int, declaration: str | None = None) -> Freshness:
    """Return whether a row may be served now.

    A row of exactly the age of `ttl_ms` may.

    Args:
        row: The row.
        ttl_ms: How long it may be served after its clock, in milliseconds; 0: for ever.
        now_ms: Milliseconds since 1970.
        declaration: Hash that the row must have; None: any.
    """
    if declaration is not None and row.declaration != declaration:
        return "outdated"
    return "expired" if ttl_ms and now_ms - row.order.clock_ms > ttl_ms else "fresh"


def get_online(
    store: GuardedStore, view: View, key: str | int, now: datetime, *, allow_expired: bool = False
) -> OnlineValues | None:
    """Return the newest values of an entity, or None when the store has none.

    Values that are older than the view's `ttl`, or that another declaration computed, are withheld and marked.

    Args:
        store: Where they stand.
        view: The view.
        key: The entity key.
        now: Timezone-aware.
        allow_expired: Give values that are older than the ttl all the same; they stay marked.

    Raises:
        OnlineStoreError: The key is not of the type of the view's key.
        OnlineStoreUnavailableError: The store does not answer.
    """
    now_ms = _epoch_ms(now)
    text = _key_text(view, key)
    (row,) = store.read(view.name, [text])
    if row is None:
        return None
    state = freshness(row, ttl_ms=view.ttl_ms, now_ms=now_ms, declaration=view.digest)
    expired = freshness(row, ttl_ms=view.ttl_ms, now_ms=now_ms) == "expired"
    shown = state == "fresh" or (state == "expired" and allow_expired)
    features = row.features() if shown else {}
    return OnlineValues(
        view=view.name,
        key=text,
        values={column.name: features.get(column.name) for column in view.columns},
        event_time=_instant(row.event_time_ms),
        clock=_instant(row.order.clock_ms),
        age=timedelta(milliseconds=max(0, now_ms - row.order.clock_ms)),
        ttl=timedelta(milliseconds=view.ttl_ms),
        expired=expired,
        outdated=state == "outdated",
        declaration=row.declaration,
    )


def _key_text(view: View, key: str | int) -> str:
    declared = view.contract.fields[view.key].type
    if declared == "string":
        return str(key)
    try:
        return str(int(key))  # the store has one spelling of a number
    except ValueError:
        raise OnlineStoreError(
            f"the view {view.name!r} has no key {key!r}",
            {"expected": f"the {view.key!r} of an event {view.contract.name!r}: a whole number"},
            f"headrace features get {view.name} 1",
        ) from None


def _epoch_ms(now: datetime) -> int:
    if now.tzinfo is None:
        raise ValueError(f"now must have a timezone, got {now.isoformat()}")
    return int(now.timestamp() * 1_000)


def _instant(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
