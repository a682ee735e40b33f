"""Records that are broken in every way one can think of, made from one that is whole; the same ones for the same seed.

`malformed.py COUNT`, with this folder in PYTHONPATH, asks both readers about that many, and says how they agree and how
fast they are.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import Refused, StoredRecord
from java_reader import CHUNK, Answer, read_in_java

CONTRACT = Contract.model_validate(
    {
        "name": "order",
        "version": 1,
        "key": "shop",
        "time": "at",
        "fields": {
            "shop": {"type": "string", "max_length": 12},
            "at": {"type": "timestamp"},
            "amount": {"type": "double", "minimum": 0},
            "count": {"type": "int", "required": False},
            "total": {"type": "long", "required": False},
            "price": {"type": "decimal", "precision": 9, "scale": 2, "required": False},
            "day": {"type": "date", "required": False},
            "state": {"type": "enum", "values": ["on", "off"], "default": "on"},
            "is_new": {"type": "bool", "required": False},
            "parts": {"type": "list", "items": {"type": "object", "fields": {"n": {"type": "int"}}}, "required": False},
            "counts": {"type": "map", "values": {"type": "long"}, "required": False},
        },
    }
)
AT_MS = 1_767_225_600_000
WHOLE: dict[str, Any] = {
    "shop": "s1",
    "at": "2026-01-01T00:00:00.123Z",
    "amount": 12.5,
    "count": 3,
    "total": 4_000_000_000,
    "price": "12.50",
    "day": "2026-01-01",
    "state": "off",
    "is_new": True,
    "parts": [{"n": 1}, {"n": 2}],
    "counts": {"a": 1, "b": 2},
}
ODD_VALUES = (
    b"null", b"true", b'""', b"-0", b"-0.0", b"1e400", b"-1e400", b"1e-400", b"9223372036854775808", b"2147483648",
    b"1.0",
    b"01", b"+1", b".5", b"1.", b"0x10", b"NaN", b"Infinity", b"[]", b"{}", b"[[]]", b'[{"n":1.5}]', b'[{"m":1}]',
    b"[null]",
    b'{"a":null}', b'{"a":1,"a":"x"}', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\x41"', b'"12.505"',
    b'"-0.00"',
    b'"1e2"', b'"2026-02-30"', b'"2026-01-01T00:00:60Z"', b'"2026-01-01T24:00:00Z"', b'"2026-01-01T00:00:00+24:00"',
    b'"1969-12-31T23:59:59.999Z"', b'"9999-12-31T23:59:59.9999Z"', b'"2026-01-01 00:00:00Z"', b'"2026-01-01t00:00:00z"',
    b'"\xef\xbc\x91"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"a\nb"', b"'x'", b"tru",
    b"nul", b"",
)  # fmt: skip


def malformed(seed: int) -> Iterator[StoredRecord]:
    """Return broken records without end; now and then one is whole all the same."""
    chance = Random(seed)
    offset = 0
    while True:
        value = chance.choice(_BREAKS)(chance)
        if chance.random() < 0.15:
            value = _flipped(chance, value)
        key = chance.choice((b"s1",) * 30 + (b"s2", b"", b"\xff", None))
        header = chance.choice((None,) * 20 + (b"order/1", b"order/2", b"order/x", b"\xff"))
        headers = [] if header is None else [("contract", header)]
        if chance.random() < 0.05:
            headers.append(("event_id", chance.choice((b"e1", b"", b"\xff", b"x" * 129, b"x" * 128, b"a\nb"))))
        yield StoredRecord("events.order", 0, offset, chance.choice((AT_MS, AT_MS, -1, 0)), key, value, headers)
        offset += 1


def answers_of_python(records: list[StoredRecord]) -> list[Answer]:
    """Return (reason, detail) of each record, or its fields as JSON."""
    parse = compile_parser(CONTRACT)
    found = []
    for record in records:
        result = parse(record)
        if isinstance(result, Refused):
            found.append(Answer(result.reason, result.detail))
        else:
            found.append(Answer(None, json.dumps(result.fields, sort_keys=True)))
    return found


def _members(chance: Random) -> list[tuple[str, bytes]]:
    members = [(name, json.dumps(value).encode()) for name, value in WHOLE.items()]
    chance.shuffle(members)
    return members


def _joined(members: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in members) + b"}"


def _flipped(chance: Random, value: bytes) -> bytes:
    """One to three bits are wrong."""
    if not value:
        return value
    broken = bytearray(value)
    for _ in range(chance.randint(1, 3)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _truncated(chance: Random) -> bytes:
    value = _joined(_members(chance))
    return value[: chance.randrange(len(value) + 1)]


def _swapped(chance: Random) -> bytes:
    """A field has the value of another one."""
    members = _members(chance)
    one, other = chance.sample(range(len(members)), 2)
    members[one] = (members[one][0], members[other][1])
    return _joined(members)


def _odd(chance: Random) -> bytes:
    members = _members(chance)
    place = chance.randrange(len(members))
    members[place] = (members[place][0], chance.choice(ODD_VALUES))
    return _joined(members)


def _without(chance: Random) -> bytes:
    return _joined(_members(chance)[chance.randint(1, 3) :])


def _twice(chance: Random) -> bytes:
    members = _members(chance)
    members.insert(chance.randrange(len(members)), (chance.choice(members)[0], chance.choice(ODD_VALUES)))
    return _joined(members)


def _foreign(chance: Random) -> bytes:
    members = _members(chance)
    name = chance.choice(("x", "", "Shop", "shop ", "\ufffd", "s\u0000", "é" * 90))
    members.insert(chance.randrange(len(members)), (name, chance.choice(ODD_VALUES)))
    return _joined(members)


def _deep(chance: Random) -> bytes:
    members = _members(chance)
    depth = chance.choice((2, 50, 248, 249, 250, 498, 499, 500, 501, 600, 1_500))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"n":', b"}]")))
    # Now and then behind it the same name once more.
    name = chance.choice((members[0][0], members[1][0], "x"))
    members[0] = (name, opening * depth + b"1" + closing * depth)
    return _joined(members)


def _giant_number(chance: Random) -> bytes:
    members = _members(chance)
    digits = b"9" * chance.choice((18, 19, 20, 309, 400, 4_299, 4_301, 6_000))
    number = chance.choice((b"%s", b"-%s", b"0.%s", b"%s.5", b"1e%s", b'"%s"')) % digits
    members[0] = (members[0][0], number)
    return _joined(members)


def _huge_string(chance: Random) -> bytes:
    members = _members(chance)
    text = chance.choice(("x", "é", "\U0001f600", "\\", '"')) * chance.choice((12, 13, 80, 81, 5_000))
    members[0] = (members[0][0], json.dumps(text, ensure_ascii=chance.random() < 0.5).encode())
    return _joined(members)


def _noise(chance: Random) -> bytes:
    return chance.randbytes(chance.randrange(60))


def _whole(chance: Random) -> bytes:
    return _joined(_members(chance))


_BREAKS: tuple[Callable[[Random], bytes], ...] = (
    _truncated, _swapped, _odd, _odd, _without, _twice, _foreign, _deep, _giant_number, _huge_string, _noise, _whole,
)  # fmt: skip


def main(count: int) -> int:
    """Compare both readers on `count` records; 1 when they differ."""
    source, reasons, seconds = malformed(1), Counter[str](), defaultdict[str, float](float)
    differ = 0
    with TemporaryDirectory() as folder:
        for done in range(0, count, CHUNK):
            records = [next(source) for _ in range(min(CHUNK, count - done))]
            began = time.perf_counter()
            of_python = answers_of_python(records)
            seconds["python"] += time.perf_counter() - began
            of_java, java_seconds = read_in_java(((CONTRACT, one) for one in records), Path(folder))
            seconds["java"] += java_seconds
            reasons.update(one.reason or "accepted" for one in of_python)
            for record, one, other in zip(records, of_python, of_java, strict=True):
                if one != other:
                    differ += 1
                    print(f"{record.value!r:.300}\n  python {one}\n  java   {other}")
            print(f"{done + len(records)} of {count}", file=sys.stderr)
    rates = {name: round(count / spent) for name, spent in seconds.items()}
    found = {"records": count, "differ": differ, "reasons": dict(reasons.most_common()), "records_per_second": rates}
    print(json.dumps(found))
    return min(differ, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
