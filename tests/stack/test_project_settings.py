"""Settings: flag > environment > file > default, and errors that name their source."""

from pathlib import Path

import pytest
from headrace_ingestion.errors import DeclarationError, SettingsError

from headrace.settings import Settings, load_settings
from headrace.settings.table import settings_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def project(folder: Path, text: str = "name: roaming\n") -> Path:
    """A project folder with this `headrace.yaml`."""
    (folder / "headrace.yaml").write_text(text)
    return folder


def test_a_flag_beats_the_environment_and_the_environment_beats_the_file(tmp_path: Path) -> None:
    folder = project(tmp_path, "name: roaming\nkafka:\n  port: 1111\n  partitions: 2\n  replication: 3\n")
    environ = {"HEADRACE_KAFKA__PORT": "2222", "HEADRACE_KAFKA__PARTITIONS": "8"}
    kafka = load_settings(folder, flags={"kafka.port": "3333"}, environ=environ).kafka
    assert (kafka.port, kafka.partitions, kafka.replication) == (3333, 8, 3)


def test_a_file_with_a_name_alone_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings(project(tmp_path), environ={}) == Settings(name="roaming")


def test_a_variable_that_is_empty_or_has_no_section_is_no_setting(tmp_path: Path) -> None:
    environ = {"HEADRACE_KAFKA__PORT": "", "HEADRACE_CACHE": "/somewhere"}
    assert load_settings(project(tmp_path), environ=environ) == Settings(name="roaming")


def test_a_misspelt_key_of_the_file_names_its_line_and_the_closest_key(tmp_path: Path) -> None:
    folder = project(tmp_path, "name: roaming\nlake:\n  flush_row: 10\n")
    with pytest.raises(DeclarationError) as raised:
        load_settings(folder, environ={})
    assert str(raised.value) == (
        "headrace.yaml line 3: 'flush_row' is not a known field of the section lake\n"
        "  fields:  path, endpoint, region, access_key_id, secret_access_key, allow_http, "
        "flush_interval_ms, flush_rows, flush_bytes, workgroups, external_folders\n"
        "  try:     flush_rows"
    )


def test_a_wrong_value_of_the_file_names_its_line(tmp_path: Path) -> None:
    folder = project(tmp_path, "name: roaming\nkafka:\n  port: 70000\n")
    with pytest.raises(DeclarationError, match=r"^headrace\.yaml line 3: 'kafka\.port' is 70000\n"):
        load_settings(folder, environ={})


def test_a_misspelt_variable_is_named_with_the_closest_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(project(tmp_path), environ={"HEADRACE_MLFLOW__TRACKING_URL": "x"})
    assert str(raised.value) == (
        "HEADRACE_MLFLOW__TRACKING_URL: 'mlflow.tracking_url' is not a setting\n"
        "  settings:  tracking_uri, artifact_location\n"
        "  try:       HEADRACE_MLFLOW__TRACKING_URI"
    )


def test_a_wrong_flag_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(project(tmp_path), flags={"kafka.port": "many"}, environ={})
    assert str(raised.value).splitlines()[0] == "--set kafka.port is 'many'"


def test_valkey_needs_a_url_which_the_environment_may_give(tmp_path: Path) -> None:
    folder = project(tmp_path, "name: roaming\nonline:\n  store: valkey\n")
    settings = load_settings(folder, environ={"HEADRACE_ONLINE__URL": "redis://:hidden@127.0.0.1:6379/0"})
    assert "hidden" not in repr(settings)
    with pytest.raises(DeclarationError) as raised:
        load_settings(folder, environ={})
    assert str(raised.value) == (
        "headrace.yaml line 2: online.store is 'valkey', and online.url is not given\n"
        "  expected:  redis://HOST:PORT/DATABASE\n"
        "  try:       HEADRACE_ONLINE__URL=redis://127.0.0.1:6379/0"
    )


def test_a_login_that_is_not_complete_is_refused_where_it_stands(tmp_path: Path) -> None:
    folder = project(tmp_path, "name: roaming\nkafka:\n  security_protocol: SASL_SSL\n")
    with pytest.raises(DeclarationError, match=r"^headrace\.yaml line 2: security_protocol SASL_SSL lacks "):
        load_settings(folder, environ={})


def lake_settings(tmp_path: Path, text: str, environ: dict[str, str]) -> Settings:
    """The settings of a project with such a section `lake`."""
    return load_settings(project(tmp_path, f"name: roaming\nlake: {text}\n"), environ=environ)


def test_a_lake_on_object_storage_keeps_its_secret_to_itself(tmp_path: Path) -> None:
    text = "{path: s3://lake/roaming, endpoint: http://127.0.0.1:9000, region: eu-central-1, access_key_id: writer}"
    lake = lake_settings(tmp_path, text, {"HEADRACE_LAKE__SECRET_ACCESS_KEY": "s3cret"}).lake
    assert (lake.path, lake.region, "s3cret" in repr(lake)) == ("s3://lake/roaming", "eu-central-1", False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{path: hdfs://lake}",
            "headrace.yaml line 2: 'hdfs://lake' is neither a folder nor a bucket\n"
            "  expected:      a folder of this machine, one that is mounted, or s3://BUCKET/PREFIX\n"
            "  a prefix has:  letters, digits, _ - . = and /\n"
            "  try:           lake.path: s3://lake/roaming",
        ),
        (
            "{endpoint: 'https://storage.example.com'}",
            "headrace.yaml line 2: lake.endpoint is of an object storage, and lake.path is a folder\n"
            "  lake.path:  below .headrace\n"
            "  try:        lake.path: s3://BUCKET/PREFIX",
        ),
        (
            "{path: s3://lake, access_key_id: writer}",
            "headrace.yaml line 2: lake.access_key_id and lake.secret_access_key are given together or not at all\n"
            "  given:  access_key_id\n"
            "  try:    HEADRACE_LAKE__SECRET_ACCESS_KEY=…",
        ),
        (
            "{path: s3://lake, endpoint: 'http://storage.example.com:9000'}",
            "headrace.yaml line 2: lake.endpoint http://storage.example.com:9000 would be asked without TLS: everybody "
            "between can read keys and rows\n"
            "  allowed:  http for an endpoint on this machine, or lake.allow_http\n"
            "  try:      lake.endpoint: https://storage.example.com:9000",
        ),
    ],
)
def test_a_lake_that_cannot_be_reached_so_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        lake_settings(tmp_path, text, {})
    assert str(raised.value) == message


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings(name="roaming").kafka, "port", 1)  # noqa: B010  (a plain assignment is a type error already)


def test_the_table_in_the_documents_is_that_of_the_fields() -> None:
    assert DOCUMENT.read_text() == settings_table(), "python -m headrace.settings.table > docs/settings.md"
