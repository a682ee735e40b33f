"""Errors in the files of a project: each names file, line, what exists and what to type."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from headrace_ingestion.documents import DeclarationProblem, load_document, load_folder, read_document
from headrace_ingestion.errors import DeclarationError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Lag(BaseModel):
    model_config = ConfigDict(extra="forbid", title="lag")
    of: str
    steps: list[int]

    @field_validator("of")
    @classmethod
    def _exists(cls, of: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("fields", [of])
        if of not in known:
            raise DeclarationProblem(
                f"'lag' reads the field {of!r}, which event 'call' version 1 does not have",
                {"fields": ", ".join(known)},
                f"of: {known[0]}",
            )
        return of


class Window(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["window"]
    over: str


class Ratio(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["ratio"]
    above: int


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", title="feature")
    lag: Lag | None = None
    more: Annotated[Window | Ratio, Field(discriminator="kind")] | None = None


class View(BaseModel):
    model_config = ConfigDict(extra="forbid", title="view")
    name: str
    rows: int = 1
    features: list[Item] = []
    named: dict[str, Lag] = {}


def error_of(tmp_path: Path, text: str, **context: object) -> str:
    path = tmp_path / "features" / "subscriber.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_document(path, View, root=tmp_path, context=context)
    assert caught.value.path == "features/subscriber.yaml"
    return str(caught.value)


def test_a_valid_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "view.yaml"
    path.write_text("name: subscriber\nfeatures:\n  - lag: {of: duration_s, steps: [1, 2]}\n")
    view = load_document(path, View)
    assert view == View(name="subscriber", features=[Item(lag=Lag(of="duration_s", steps=[1, 2]))])


def test_an_unknown_key_names_what_exists_and_the_closest(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nfeatures:\n  - lagg: {of: a, steps: [1]}\n") == (
        "features/subscriber.yaml line 3: 'lagg' is not a known field of a feature\n"
        "  fields:  lag, more\n"
        "  try:     lag"
    )


def test_an_unknown_key_inside_a_mapping_of_names_is_that_of_its_model(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nnamed:\n  first:\n    of: a\n    steps: [1]\n    step: 1\n") == (
        "features/subscriber.yaml line 6: 'step' is not a known field of a lag\n  fields:  of, steps\n  try:     steps"
    )


def test_an_unknown_key_of_a_chosen_variant_is_that_of_the_variant(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nfeatures:\n  - more:\n      kind: ratio\n      above: 1\n      over: 5m\n") == (
        "features/subscriber.yaml line 6: 'over' is not a known field of a ratio\n"
        "  fields:  kind, above\n"
        "  try:     remove the line"
    )


def test_an_unknown_variant_names_the_allowed_ones(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nfeatures:\n  - more: {kind: windows, over: 5m}\n") == (
        "features/subscriber.yaml line 3: 'features.0.more' is a mapping\n  allowed:  window, ratio"
    )


def test_a_missing_key_names_what_is_there(tmp_path: Path) -> None:
    assert error_of(tmp_path, "rows: 3\n") == (
        "features/subscriber.yaml line 1: a view has no 'name'\n"
        "  fields:  name, rows, features, named\n"
        "  given:   rows\n"
        "  try:     name: …"
    )


def test_a_missing_key_deep_down_has_the_line_of_its_mapping(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nfeatures:\n  - lag:\n      of: a\n") == (
        "features/subscriber.yaml line 3: 'features.0.lag' has no 'steps'\n"
        "  fields:  of, steps\n  given:   of\n  try:     steps: …"
    )


def test_a_misspelt_key_is_named_rather_than_the_one_it_makes_missing(tmp_path: Path) -> None:
    assert error_of(tmp_path, "rows: 1\nnmae: s\n") == (
        "features/subscriber.yaml line 2: 'nmae' is not a known field of a view\n"
        "  fields:  name, rows, features, named\n"
        "  more:    1 further problem in this file\n"
        "  try:     name"
    )


def test_a_wrong_value_is_shown_with_what_is_expected(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nrows: many\n") == (
        "features/subscriber.yaml line 2: 'rows' is 'many'\n"
        "  expected:  a valid integer, unable to parse string as an integer\n"
        "  try:       rows: …"
    )


def test_a_scalar_where_a_mapping_is_expected_names_its_keys(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nfeatures:\n  - lag: 3\n") == (
        "features/subscriber.yaml line 3: 'features.0.lag' is 3\n  expected:  a mapping of of, steps"
    )


def test_the_problem_of_a_validator_keeps_its_own_parts(tmp_path: Path) -> None:
    text = "name: s\nfeatures:\n  - lag:\n      steps: [1]\n      of: duration\n"
    assert error_of(tmp_path, text, fields=["duration_s", "country"]) == (
        "features/subscriber.yaml line 5: "
        "'lag' reads the field 'duration', which event 'call' version 1 does not have\n"
        "  fields:  duration_s, country\n"
        "  try:     of: duration_s"
    )


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nrows: 1\nname: t\n") == (
        "features/subscriber.yaml line 3: 'name' stands twice\n  first:  line 1\n  try:    keep one of the two"
    )


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "---\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert error_of(tmp_path, text) == (
        "features/subscriber.yaml is empty\n  expected:  a mapping, such as name: call\n  try:       name: call"
    )


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert error_of(tmp_path, text) == (
        "features/subscriber.yaml line 1: the top of the file is not a mapping\n"
        "  expected:  key: value lines\n"
        "  try:       name: call"
    )


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    assert error_of(tmp_path, "name: s\nrows: [1, 2\nfeatures: []\n") == (
        "features/subscriber.yaml line 3: not YAML: expected ',' or ']', but got ':'\n"
        "  expected:  key: value lines, indented by spaces, text with : or # in quotes\n"
        "  try:       correct the line"
    )


def test_an_alias_that_contains_itself_is_refused(tmp_path: Path) -> None:
    assert "an alias that contains itself" in error_of(tmp_path, "name: &loop [*loop]\n")


def test_two_documents_in_one_file_are_refused(tmp_path: Path) -> None:
    assert "line 2: not YAML" in error_of(tmp_path, "name: s\n---\nname: t\n")


def test_a_tag_that_makes_an_object_is_refused(tmp_path: Path) -> None:
    for value in ("!!python/object:os.system {}", "!!python/name:os.system ''", "!!binary aGk=", "!own x"):
        assert "line 1: not YAML: the tag " in error_of(tmp_path, f"name: {value}\n")


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "view.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(DeclarationError) as caught:
        load_document(path, View, root=tmp_path)
    assert str(caught.value) == "view.yaml is not UTF-8: byte 6\n  expected:  UTF-8 text\n  try:       save it as UTF-8"


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "call.yaml").write_text("name: s")
    with pytest.raises(DeclarationError) as caught:
        read_document(tmp_path / "cal.yaml", root=tmp_path)
    assert str(caught.value) == (
        f"cal.yaml does not exist\n  folder:  {tmp_path}\n  files:   call.yaml\n  try:     ls {tmp_path}"
    )


def test_values_are_those_of_yaml_1_2_so_that_norway_is_a_country(tmp_path: Path) -> None:
    path = tmp_path / "view.yaml"
    path.write_text("a: [NO, yes, on, 12:30, 2026-01-01, 010, 1e3, 0x10, 1_000, true, ~, null, '5', .5, -3, .inf]\n")
    assert read_document(path).data == {
        "a": [
            "NO",
            "yes",
            "on",
            "12:30",
            "2026-01-01",
            10,
            1000.0,
            "0x10",
            "1_000",
            True,
            None,
            None,
            "5",
            0.5,
            -3,
            ".inf",
        ]
    }


def test_each_value_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "view.yaml"
    path.write_text("a: 1\nb:\n  - c: 2\n    d:\n      3\n")
    document = read_document(path)
    assert document.lines == {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "c"): 3, ("b", 0, "d"): 4}
    assert document.line_of(("b", 0, "nowhere", 7)) == 3


def test_a_name_that_two_files_declare_is_refused_with_the_names_of_both(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml"):
        (tmp_path / name).write_text("name: calls\n")
    with pytest.raises(DeclarationError) as error:
        load_folder(tmp_path, lambda path: load_document(path, View), "roll-up", root=tmp_path)
    assert str(error.value) == (
        "b.yaml: the roll-up 'calls' is declared twice\n"
        "  first:     a.yaml\n"
        "  expected:  one declaration a roll-up\n"
        "  try:       rename or remove one of the two"
    )
    assert load_folder(tmp_path / "none", lambda path: load_document(path, View), "roll-up") == {}
