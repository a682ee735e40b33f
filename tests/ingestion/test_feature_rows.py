"""Feature rows in both encodings, and what is neither."""

import json
import struct
from typing import Any

import pytest
from headrace_ingestion.feature_rows import FeatureRowError, layout_of, read_feature_row
from hypothesis import given
from hypothesis import strategies as st
from packed_rows import packed

ROW: dict[str, Any] = {
    "revision": 0, "declaration": "0123456789ab", "event_id": "e-1", "sum": 0.1, "count": 3, "ok": True,
}  # fmt: skip
LONGER = len(packed(ROW)) + 1
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name not in ROW),
        st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1), DOUBLES),
        max_size=20,
    ),
    st.sets(st.integers(0, 19)),
)
def test_a_row_in_binary_reads_as_it_was(values: dict[str, Any], nulls: set[int]) -> None:
    row = {**ROW, **{name: None if i in nulls else value for i, (name, value) in enumerate(values.items())}}
    read = read_feature_row(packed(row, **{name: "d" for name, value in row.items() if value is None}))
    assert read == row
    assert all(struct.pack("d", read[n]) == struct.pack("d", v) for n, v in row.items() if isinstance(v, float))


def test_json_reads_as_json() -> None:
    assert read_feature_row(json.dumps(ROW).encode()) == ROW


def with_layout(layout: bytes) -> bytes:
    return struct.pack("<BBI", 0xB1, 1, len(layout)) + layout


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "the record has no value"),
        (b"", "the record has no value"),
        (b"{", "the value is not JSON"),
        (b"[1]", "the value is not a JSON object"),
        (b"\xb1\x01\x00", "the binary row ends after 3 bytes, within its beginning"),
        (b"\xb1\x02" + packed(ROW)[2:], "the binary row has the format 2, expected 1"),
        (with_layout(b"{}"), "the binary row has no layout that can be read"),
        (with_layout(b'{"constants":{},"fields":{"a":"z"}}'), "the binary row has no layout that can be read"),
        (with_layout(b'{"constants":{},"fields":{"a":["d"]}}'), "the binary row has no layout that can be read"),
        (with_layout(b'{"constants":{},"fields":{"a":"d"}}') + b"\0" * 8,
         "the binary row has 49 bytes, its layout asks for 50 and its texts"),
        (with_layout(b'{"constants":{},"fields":{"a":"s"}}') + b"\0\1\0\0\0\xff", "the text of 'a' is not UTF-8"),
        (packed(ROW) + b"x", f"the binary row has {LONGER} bytes, its layout and its texts ask for {LONGER - 1}"),
    ],
)  # fmt: skip
def test_what_is_no_row_is_refused_with_what_is_wrong(value: bytes | None, why: str) -> None:
    with pytest.raises(FeatureRowError) as refused:
        read_feature_row(value)
    assert str(refused.value) == why


def test_the_layout_names_every_field_with_its_type() -> None:
    layout = json.loads(layout_of("cell", "long", "0123456789ab", {"mean": "double", "last": "string"}))
    assert layout["constants"] == {"revision": 0, "declaration": "0123456789ab"}
    assert "".join(layout["fields"].values()) == "sqqqqiqqqds"
    assert list(layout["fields"])[:2] == ["event_id", "cell"]
