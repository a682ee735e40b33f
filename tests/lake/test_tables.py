"""Declarations of tables and their Arrow schemas."""

import pyarrow as pa
import pytest
from headrace_lake import LakeError, TableSpec, events_table, features_table, ops_tables, scores_table
from headrace_lake.schemas import arrow_schema, table_properties
from headrace_lake.tables import Column
from lake_records import CALL, SUBSCRIBER


def test_an_event_table_has_the_contract_fields_between_its_envelope_and_its_place() -> None:
    schema = arrow_schema(events_table(CALL))
    assert schema.names == [
        "event_id", "_contract", "_trace", "subscriber_id", "started_at", "duration_s", "device",
        "_partition", "_offset", "_key", "_recorded_at",
    ]  # fmt: skip
    assert schema.field("started_at").type == pa.timestamp("us", "UTC")


def test_no_table_has_a_type_that_readers_of_features_cannot_hold() -> None:
    specs = [events_table(CALL), SUBSCRIBER, scores_table("fraud"), *ops_tables()]
    types = {str(field.type) for spec in specs for field in arrow_schema(spec)}
    assert types == {
        "string", "bool", "int32", "int64", "double", "timestamp[us, tz=UTC]",
        "list<item: struct<feature: string, value: double, contribution: double>>",
    }  # fmt: skip


def test_topics_carry_the_prefix_of_the_project() -> None:
    specs = [events_table(CALL, "eu."), features_table("v", "k", "string", [], "eu."), *ops_tables("eu.")]
    assert [spec.topic for spec in specs] == [
        "eu.events.call", "eu.features.v", "eu.dead_letters", "eu.late_events", "eu.duplicates", "eu.alerts",
    ]  # fmt: skip


def test_only_topics_written_in_transactions_are_read_committed() -> None:
    specs = [events_table(CALL), SUBSCRIBER, scores_table("fraud"), *ops_tables()]
    assert [spec.full_name for spec in specs if not spec.committed_only] == [
        "events.call", "scores.fraud", "ops.alerts",
    ]  # fmt: skip


def test_statistics_are_kept_for_the_columns_that_prune_and_for_no_others() -> None:
    assert table_properties(SUBSCRIBER)["delta.dataSkippingStatsColumns"] == (
        "event_time,_recorded_at,_partition,_offset,revision"
    )


def test_a_feature_named_like_an_envelope_column_is_refused_with_the_columns() -> None:
    with pytest.raises(LakeError) as error:
        features_table("v", "k", "string", [("clock", "double")])
    assert str(error.value).splitlines()[0] == "table features.v has the column 'clock' twice"
    assert "rename the field or feature 'clock'" in str(error.value)


def test_unique_by_must_name_a_column() -> None:
    with pytest.raises(LakeError) as error:
        TableSpec("ops", "t", "t", (Column("at", "timestamp"), Column("model", "string")), "at", unique_by=("modell",))
    assert str(error.value) == (
        "table ops.t names the column 'modell', which it does not have\n"
        "  columns:  at, model, _partition, _offset, _key, _recorded_at\n"
        "  try:      model"
    )
