"""The events of a benchmark: calls of subscribers, the same for the same arguments, as the SDK would write them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract
from headrace_ingestion.headers import CONTRACT, EVENT_ID, TRACEPARENT
from headrace_ingestion.ids import EventIds, traceparent_of

START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
STEP_MS = 20
"""Event time between two events: 5,000 keys with 36 events each in an hour."""

_COUNTRIES = ("DE", "FR", "ES", "IT", "PL")


class Message(NamedTuple):
    """One record to produce."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


@dataclass(frozen=True)
class Workload:
    """Which events.

    Attributes:
        name: Prefix of its topic.
        events: How many.
        keys: Over how many subscribers they are spread, evenly and at random.
        seed: Seed of everything random. Fewer events of the same seed and keys are the beginning of more.
    """

    name: str
    events: int
    keys: int
    seed: int = 1

    def topic(self, contract: Contract) -> str:
        """Return the topic that holds these events."""
        return contract.topic(f"{self.name}.")


def messages(workload: Workload, contract: Contract) -> Iterator[Message]:
    """Yield the records of the workload in the order of their event times, which all differ."""
    random = Random(workload.seed)
    encode = compile_encoder(contract)
    now_ms = START_MS
    ids = EventIds(lambda: now_ms, random.randbytes)
    label = contract.label.encode()
    for number in range(workload.events):
        now_ms = START_MS + number * STEP_MS
        event_id = ids()
        encoded = encode(_fields(random, workload.keys, now_ms))
        headers = [(EVENT_ID, event_id.encode()), (CONTRACT, label), (TRACEPARENT, traceparent_of(event_id).encode())]
        yield Message(encoded.key, encoded.value, headers, now_ms)


def events(workload: Workload) -> Iterator[dict[str, object]]:
    """Yield the fields of as many events, as an application hands them to the SDK."""
    random = Random(workload.seed)
    for number in range(workload.events):
        yield _fields(random, workload.keys, START_MS + number * STEP_MS)


def _fields(random: Random, keys: int, event_time_ms: int) -> dict[str, object]:
    return {
        "subscriber_id": f"sub-{random.randrange(keys):06d}",
        "started_at": datetime.fromtimestamp(event_time_ms / 1000, UTC),
        "duration_s": round(random.expovariate(1 / 60), 3),
        "home_country": "DE",
        "country": random.choice(_COUNTRIES),
        "device": f"phone-{random.randrange(3)}",
    }
