"""Event ids and trace contexts."""

import random
import threading
import uuid
from itertools import count

from headrace_ingestion.headers import is_event_id, is_traceparent
from headrace_ingestion.ids import EventIds, new_traceparent, traceparent_of

NOW_MS = 1_767_225_600_123


def zeros(count: int) -> bytes:
    return bytes(count)


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    text = EventIds(lambda: NOW_MS)()
    made = uuid.UUID(text)
    assert str(made) == text
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == NOW_MS
    assert is_event_id(text)


def test_the_bits_stand_where_the_standard_says() -> None:
    assert EventIds(lambda: NOW_MS, zeros)() == "019b76da-a87b-7000-8000-000000000000"
    assert EventIds(lambda: NOW_MS, lambda n: b"\xff" * n)() == "019b76da-a87b-77ff-bfff-ffffffffffff"


def test_randomness_is_drawn_for_many_ids_at_a_time_and_used_once() -> None:
    draws: list[bytes] = []

    def drawn(count: int) -> bytes:
        draws.append(random.Random(len(draws)).randbytes(count))
        return draws[-1]

    times = count(NOW_MS)
    ids = EventIds(lambda: next(times), drawn)
    tails = [ids()[14:] for _ in range(300)]
    assert len(set(tails)) == 300
    assert len(draws) == 2


def test_ids_of_one_millisecond_count_up() -> None:
    ids = EventIds(lambda: NOW_MS)
    made = [ids() for _ in range(1_000)]
    assert made == sorted(set(made))


def test_ids_count_up_although_the_clock_was_set_back() -> None:
    times = iter([NOW_MS, NOW_MS - 60_000, NOW_MS - 1, NOW_MS + 1])
    ids = EventIds(lambda: next(times))
    made = [ids() for _ in range(4)]
    assert made == sorted(set(made))


def test_when_a_millisecond_is_full_the_next_begins() -> None:
    ids = EventIds(lambda: NOW_MS, zeros)
    first = ids()
    ids._tail = (1 << 74) - 1
    assert ids() == "019b76da-a87c-7000-8000-000000000000"
    assert ids() > first


def test_threads_never_get_the_same_id() -> None:
    ids = EventIds(lambda: NOW_MS)
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([ids() for _ in range(2_000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_a_trace_context_is_one_of_the_standard() -> None:
    assert is_traceparent(new_traceparent())
    assert traceparent_of("019b76da-a87b-7000-8000-000000000001") == (
        "00-019b76daa87b70008000000000000001-8000000000000001-00"
    )
    assert is_traceparent(traceparent_of(EventIds()()))


def test_a_trace_id_of_zeros_is_drawn_again() -> None:
    draws = count()
    assert new_traceparent(lambda n: bytes([next(draws)]) * n) == f"00-{'01' * 16}-{'01' * 8}-00"


def test_what_is_no_trace_context_is_not_taken() -> None:
    for text in ("", f"ff-{'1' * 32}-{'1' * 16}-00", f"00-{'0' * 32}-{'1' * 16}-00", f"00-{'1' * 32}-{'0' * 16}-00",
                 f"00-{'A' * 32}-{'1' * 16}-00", f"00-{'1' * 32}-{'1' * 16}"):  # fmt: skip
        assert not is_traceparent(text)
