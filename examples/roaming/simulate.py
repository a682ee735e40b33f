"""Subscribers and their calls: home habits, travel, new phones, and four kinds of roaming fraud."""

import heapq
import json
import math
import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal

Kind = Literal["genuine", "cloned_sim", "revenue_share", "short_call_burst", "takeover"]
Habit = Literal["resident", "commuter", "courier", "night_worker", "expat"]

COUNTRIES = ("DE", "FR", "PL", "NL", "ES", "IT", "CZ", "DK", "GB", "TR", "US", "CH")
# Where the numbers are that pay the caller: few, and ordinary people call some of them too.
PREMIUM_COUNTRIES = ("LV", "SO", "CU", "TN", "MV", "TR", "GB")
HABITS: tuple[tuple[Habit, float], ...] = (
    ("resident", 0.66), ("commuter", 0.10), ("courier", 0.08), ("night_worker", 0.08), ("expat", 0.08),
)  # fmt: skip
DEFAULT_START = datetime(2026, 3, 2, tzinfo=UTC)
CALLS_PER_SUBSCRIBER = 70  # so that 20,000 calls of 285 subscribers span about four weeks
EPISODES_PER_SUBSCRIBER_DAY = 0.0155  # gives 3 % of all calls
PROGRESS_EVERY = 10_000
REVIEWED_SHARE = 0.1  # of the genuine calls, the part that somebody looks at and labels


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """One call and the truth about it.

    Attributes:
        event_id: UUIDv7 made from the seed: the same seed gives the same ids.
        fields: The fields of the event `call`.
        label_delay: From the start of the call until somebody knows; None: nobody ever looks.
    """

    event_id: str
    started_at: datetime
    fields: Mapping[str, object]
    kind: Kind
    label_delay: timedelta | None

    @property
    def is_fraud(self) -> bool:
        """Whether the call was fraud, known to the simulator alone."""
        return self.kind != "genuine"


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One event to send: `call` is the call itself, or the one that the label is about."""

    event: Literal["call", "fraud_label"]
    event_id: str
    time: datetime
    fields: Mapping[str, object]
    call: SimulatedCall


def simulate(
    events: int, seed: int, start: datetime = DEFAULT_START, subscribers: int | None = None
) -> Iterator[SimulatedCall]:
    """Yield `events` calls in the order of their start, the same for the same arguments.

    Args:
        events: Number of calls, zero or more.
        seed: Seed of everything random.
        start: First possible instant, timezone-aware.
        subscribers: How many people call; by default one for 70 calls, which makes four weeks.

    Raises:
        ValueError: `events` is negative, `subscribers` is not positive, or `start` has no timezone.
    """
    if events < 0:
        raise ValueError(f"events must be zero or more, got {events}")
    if start.tzinfo is None:
        raise ValueError(f"start must have a timezone, got {start.isoformat()}")
    people = max(8, math.ceil(events / CALLS_PER_SUBSCRIBER)) if subscribers is None else subscribers
    if people < 1:
        raise ValueError(f"subscribers must be one or more, got {people}")
    return _calls(events, seed, start, people)


def with_labels(calls: Iterator[SimulatedCall]) -> Iterator[SimulatedEvent]:
    """Yield each call, and each label at the instant it becomes known, all in the order of their times."""
    waiting: list[tuple[datetime, str, SimulatedEvent]] = []
    for call in calls:
        while waiting and waiting[0][0] <= call.started_at:
            yield heapq.heappop(waiting)[2]
        yield SimulatedEvent("call", call.event_id, call.started_at, call.fields, call)
        if call.label_delay is not None:
            label = _label(call, call.label_delay)
            heapq.heappush(waiting, (label.time, label.event_id, label))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _label(call: SimulatedCall, delay: timedelta) -> SimulatedEvent:
    labelled_at = call.started_at + delay
    fields: dict[str, object] = {
        "subscriber_id": call.fields["subscriber_id"],
        "call_id": call.event_id,
        "is_fraud": call.is_fraud,
        "labelled_at": labelled_at,
    }
    event_id = _uuid7(labelled_at, Random(f"label {call.event_id}"))
    return SimulatedEvent("fraud_label", event_id, labelled_at, fields, call)


@dataclass(slots=True)
class _Subscriber:
    """A person with habits; trips and phones change from day to day."""

    name: str
    habit: Habit
    home: str
    neighbour: str
    calls_per_day: float
    busiest_hour: float
    median_duration_s: float
    device: str | None
    family: str
    second_device: str | None = None
    trip_country: str = ""
    trip_days_left: int = 0
    silent: tuple[float, float] = (0.0, 0.0)  # a victim of a takeover is offline between these hours of the day


@dataclass(frozen=True, slots=True, order=True)
class _Draft:
    """A call before it has an id; `at_s` counts seconds from the start of the simulation."""

    at_s: float
    subscriber: str
    home: str = field(compare=False)
    country: str = field(compare=False)
    callee: str = field(compare=False)
    device: str | None = field(compare=False)
    duration_s: float = field(compare=False)
    kind: Kind = field(compare=False)


def _calls(events: int, seed: int, start: datetime, people: int) -> Iterator[SimulatedCall]:
    rng, finishing = Random(f"calls {seed}"), Random(f"ids {seed}")
    subscribers = [_subscriber(number, rng) for number in range(people)]
    pending: list[_Draft] = []
    produced, day = 0, 0
    while produced < events:
        for draft in _day(day, subscribers, rng):
            heapq.heappush(pending, draft)
        day += 1
        while pending and pending[0].at_s < day * 86_400 and produced < events:
            yield _finish(heapq.heappop(pending), start, finishing)
            produced += 1


def _finish(draft: _Draft, start: datetime, rng: Random) -> SimulatedCall:
    started_at = start + timedelta(milliseconds=round(draft.at_s * 1000))
    fields: dict[str, object] = {
        "subscriber_id": draft.subscriber,
        "started_at": started_at,
        "duration_s": draft.duration_s,
        "home_country": draft.home,
        "country": draft.country,
        "callee_country": draft.callee,
        "device": draft.device,
    }
    labelled = draft.kind != "genuine" or rng.random() < REVIEWED_SHARE
    hours = min(20.0, max(0.5, rng.lognormvariate(math.log(5), 0.7)))
    delay = timedelta(seconds=round(hours * 3600)) if labelled else None
    return SimulatedCall(_uuid7(started_at, rng), started_at, fields, draft.kind, delay)


def _uuid7(at: datetime, rng: Random) -> str:
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    bits = rng.getrandbits(74)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1))


def _subscriber(number: int, rng: Random) -> _Subscriber:
    habit = rng.choices([name for name, _ in HABITS], [share for _, share in HABITS])[0]
    home, neighbour, family = rng.sample(COUNTRIES[:9], 3)
    busiest = rng.gauss(2.0, 1.5) % 24 if habit == "night_worker" else rng.gauss(15.0, 2.5)
    return _Subscriber(
        name=f"s-{number:06d}",
        habit=habit,
        home=home,
        neighbour=neighbour,
        calls_per_day=min(8.0, rng.gammavariate(4.0, 0.5)) + 0.4,
        busiest_hour=busiest,
        median_duration_s=rng.lognormvariate(math.log(100), 0.5),
        device=_device(rng) if rng.random() < 0.95 else None,  # some networks do not tell the device
        family=rng.choice(PREMIUM_COUNTRIES) if habit == "expat" else family,
        second_device=_device(rng) if rng.random() < 0.05 else None,
    )


def _device(rng: Random) -> str:
    return f"{rng.getrandbits(40):010x}"


def _day(day: int, subscribers: list[_Subscriber], rng: Random) -> Iterator[_Draft]:
    """Yield the calls of one day; an episode of fraud may run on into the next."""
    for person in subscribers:
        person.silent = (0.0, 0.0)
        _live_a_day(person, rng)
        if rng.random() < EPISODES_PER_SUBSCRIBER_DAY:
            (begin,) = rng.choices([begin for begin, _ in _EPISODES], [weight for _, weight in _EPISODES])
            yield from begin(person, day, rng)
        yield from _genuine_calls(person, day, rng)


def _live_a_day(person: _Subscriber, rng: Random) -> None:
    if person.trip_days_left > 0:
        person.trip_days_left -= 1
    elif rng.random() < 0.02:
        person.trip_days_left = rng.randint(2, 8)
        person.trip_country = rng.choice([country for country in COUNTRIES if country != person.home])
    if rng.random() < 0.005:
        person.device = _device(rng)


def _genuine_calls(person: _Subscriber, day: int, rng: Random) -> Iterator[_Draft]:
    for _ in range(_poisson(person.calls_per_day, rng)):
        hour = rng.gauss(person.busiest_hour, 3.5)
        yield from _genuine_call(person, day, hour, rng)
    if person.habit == "courier" and rng.random() < 0.18:  # rings at many doors within minutes
        at_hour = rng.gauss(person.busiest_hour, 2.5)
        for _ in range(rng.randint(4, 10)):
            at_hour += rng.expovariate(1 / 50) / 3600
            yield from _genuine_call(person, day, at_hour, rng, median_duration_s=9.0)
    if person.habit == "expat" and rng.random() < 0.2:  # the family, one after the other
        at_hour = rng.gauss(19, 2)
        for _ in range(rng.randint(3, 6)):
            at_hour += rng.uniform(0.1, 0.5)
            yield from _genuine_call(person, day, at_hour, rng, callee=person.family)


def _genuine_call(
    person: _Subscriber,
    day: int,
    hour: float,
    rng: Random,
    median_duration_s: float | None = None,
    callee: str | None = None,
) -> Iterator[_Draft]:
    hour = max(0.0, hour)
    if person.silent[0] <= hour < person.silent[1]:
        return
    country = person.home
    if person.trip_days_left > 0:
        country = person.trip_country
    elif person.habit == "commuter" and rng.random() < 0.4:
        country = person.neighbour
    device = person.second_device if person.second_device and rng.random() < 0.3 else person.device
    median = median_duration_s or person.median_duration_s * (2.5 if person.habit == "expat" else 1.0)
    yield _Draft(
        at_s=day * 86_400 + hour * 3600,
        subscriber=person.name,
        home=person.home,
        country=country,
        callee=callee or _genuine_callee(person, country, rng),
        device=device,
        duration_s=_duration(median, 0.8, rng),
        kind="genuine",
    )


def _genuine_callee(person: _Subscriber, country: str, rng: Random) -> str:
    chance = rng.random()
    if chance < (0.3 if person.habit == "expat" else 0.03):
        return person.family
    if chance > 0.997:
        return rng.choice(PREMIUM_COUNTRIES)
    return country if country != person.home and rng.random() < 0.4 else person.home


def _cloned_sim(person: _Subscriber, day: int, rng: Random) -> list[_Draft]:
    """Somebody abroad uses a copy of the SIM, while its owner goes on calling."""
    hour = rng.uniform(max(0.0, person.busiest_hour - 4), person.busiest_hour + 2)
    country = rng.choice([code for code in COUNTRIES if code not in (person.home, person.trip_country)])
    device = _device(rng) if rng.random() < 0.85 else None
    return _episode("cloned_sim", person, day, hour, rng.randint(4, 7), 900, country, device, (240, 0.8), rng)


def _revenue_share(person: _Subscriber, day: int, rng: Random) -> list[_Draft]:
    """A SIM carried abroad pumps long calls to numbers that pay, at night."""
    country = rng.choice([code for code in COUNTRIES if code != person.home])
    device = person.device if rng.random() < 0.3 else _device(rng)
    hour = rng.uniform(0, 5)
    return _episode("revenue_share", person, day, hour, rng.randint(5, 8), 240, country, device, (900, 0.6), rng)


def _short_call_burst(person: _Subscriber, day: int, rng: Random) -> list[_Draft]:
    """Many calls of seconds, so that the called ring back."""
    device = person.device if rng.random() < 0.5 else _device(rng)
    hour = rng.uniform(7, 23)
    return _episode("short_call_burst", person, day, hour, rng.randint(5, 9), 15, person.home, device, (4, 0.5), rng)


def _takeover(person: _Subscriber, day: int, rng: Random) -> list[_Draft]:
    """The number was moved to a stranger's phone: slow, from the home country, while the owner is offline."""
    hour = rng.uniform(0, 20)
    person.silent = (hour, 48.0)
    return _episode("takeover", person, day, hour, rng.randint(4, 7), 900, person.home, _device(rng), (500, 0.8), rng)


_EPISODES = ((_cloned_sim, 0.28), (_revenue_share, 0.24), (_short_call_burst, 0.24), (_takeover, 0.24))


def _episode(
    kind: Kind,
    person: _Subscriber,
    day: int,
    hour: float,
    calls: int,
    pause_s: float,
    country: str,
    device: str | None,
    duration: tuple[float, float],
    rng: Random,
) -> list[_Draft]:
    """Return `calls` calls, `pause_s` apart on average; `duration` is the median in seconds and the spread (sigma)."""
    drafts = []
    at_s = day * 86_400 + hour * 3600
    for _ in range(calls):
        elsewhere = [code for code in PREMIUM_COUNTRIES if code not in (person.home, country)]
        callee = rng.choice(elsewhere) if rng.random() < 0.98 else person.home
        drafts.append(_Draft(at_s, person.name, person.home, country, callee, device, _duration(*duration, rng), kind))
        at_s += rng.uniform(0.3, 1.7) * pause_s
    return drafts


def _duration(median_s: float, sigma: float, rng: Random) -> float:
    return round(min(14_400.0, rng.lognormvariate(math.log(median_s), sigma)), 1)


def _poisson(mean: float, rng: Random) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _shown(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def main() -> None:
    """Write `calls.jsonl` and `labels.jsonl` beside this file, for `headrace events replay`."""
    options = ArgumentParser(description=main.__doc__)
    options.add_argument("--events", type=int, default=20_000, help="number of calls (default: 20000)")
    options.add_argument("--seed", type=int, default=7, help="seed of everything random (default: 7)")
    chosen = options.parse_args()
    folder = Path(__file__).parent
    with (folder / "calls.jsonl").open("w") as calls, (folder / "labels.jsonl").open("w") as labels:
        written = 0
        for event in with_labels(simulate(chosen.events, chosen.seed)):
            written += event.event == "call"
            if event.event == "call" and written % PROGRESS_EVERY == 0:
                print(f"{written:,} of {chosen.events:,} calls", file=sys.stderr)
            file = calls if event.event == "call" else labels
            fields = {name: _shown(value) for name, value in event.fields.items()}
            # The label names its call by this id.
            file.write(json.dumps({**fields, "event_id": event.event_id}) + "\n")


if __name__ == "__main__":
    main()
