"""What a wrong declaration of a view says: what failed, where, what exists, what to type."""

from pathlib import Path

import pytest
from headrace_features.resolve import load_view, load_views
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import DeclarationError
from view_error_cases import CASES, GOOD

CALL = Contract.model_validate(
    {
        "name": "call",
        "version": 1,
        "key": "subscriber_id",
        "time": "started_at",
        "fields": {
            "subscriber_id": {"type": "string"},
            "started_at": {"type": "timestamp"},
            "duration_s": {"type": "double"},
            "home_country": {"type": "string"},
            "country": {"type": "string"},
        },
    }
)


def message_of(text: str, folder: Path) -> str:
    """Return what loading the declaration says."""
    file = folder / "features" / "subscriber.yaml"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(DeclarationError) as error:
        load_view(file, {"call": CALL}, root=folder)
    return str(error.value)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_declaration_says_what_where_and_what_to_type(case: str, tmp_path: Path) -> None:
    before, after, message = CASES[case]
    assert before in GOOD
    assert message_of(GOOD.replace(before, after), tmp_path) == message


def test_the_declaration_that_the_cases_change_is_good(tmp_path: Path) -> None:
    file = tmp_path / "subscriber.yaml"
    file.write_text(GOOD)
    view = load_view(file, {"call": CALL}, root=tmp_path)
    assert [column.name for column in view.columns] == [
        "duration_s_lag_1", "duration_s_lag_2", "duration_s_count_5m", "duration_s_mean_5m", "hour", "burst",
    ]  # fmt: skip


def test_a_wrong_entry_that_is_the_only_one_is_what_is_said(tmp_path: Path) -> None:
    text = GOOD[: GOOD.index("features:")] + "features:\n  - window: {of: duration_s, over: 0h, take: mean}\nttl: 24h\n"
    assert message_of(text, tmp_path) == (
        "features/subscriber.yaml line 7: '0h' is not the extent of a window\n"
        "  expected:  a length of time above zero in ms, s, m, h or d, or a number of rows up to 999999\n"
        "  try:       over: [5m, 24h, 50 rows]"
    )


def test_a_view_declared_twice_names_both_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(DeclarationError) as error:
        load_views(tmp_path, {"call": CALL}, root=tmp_path)
    assert str(error.value) == (
        "b.yaml: the view 'subscriber' is declared twice\n"
        "  first:     a.yaml\n"
        "  expected:  one declaration a view\n"
        "  try:       rename or remove one of the two"
    )


ORDER = Contract.model_validate(
    {
        "name": "order",
        "version": 1,
        "key": "customer",
        "time": "at",
        "fields": {
            "customer": {"type": "string"},
            "at": {"type": "timestamp"},
            "state": {"type": "enum", "values": ["new", "paid"]},
            "total": {"type": "decimal", "precision": 9, "scale": 2},
            "tags": {"type": "list", "items": {"type": "string"}},
        },
    }
)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            "window: {of: total, over: 5m, take: sum}",
            "sum of a window reads 'total', which is a decimal\n"
            "  types:  int, long, double, bool\n"
            "  try:    another feature",
        ),
        (
            "lag: {of: tags, steps: 1}",
            "lag reads 'tags', which is a list\n"
            "  types:   int, long, double, bool, string\n"
            "  fields:  customer, state\n"
            "  try:     of: customer",
        ),
        (
            "expression: {name: twice, sql: total * 2}",
            "expression 'twice' reads 'total', which is a decimal\n"
            "  types:  int, long, double, string, bool\n"
            "  exist:  customer, state\n"
            "  try:    total: {type: double} in the event",
        ),
    ],
)
def test_a_feature_of_what_cannot_be_computed_says_so(tmp_path: Path, feature: str, message: str) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(f"name: orders\nsource: order\nkey: customer\nfeatures:\n  - {feature}\nttl: 24h\n")
    with pytest.raises(DeclarationError) as raised:
        load_view(path, {"order": ORDER}, root=tmp_path)
    assert str(raised.value) == f"orders.yaml line 5: {message}"


def test_a_feature_reads_an_enum_as_the_text_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(
        "name: orders\nsource: order\nkey: customer\nfeatures:\n"
        "  - window: {of: state, over: 1h, take: distinct}\n"
        "  - expression: {name: is_new, sql: state = 'new'}\nttl: 24h\n"
    )
    view = load_view(path, {"order": ORDER}, root=tmp_path)
    assert [(entry.name, entry.type) for entry in view.inputs] == [("state", "string")]
