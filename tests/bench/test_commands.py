"""`headrace bench`: what it refuses, and what it says then."""

from click.testing import CliRunner

from headrace.cli.bench import group


def test_an_unknown_contestant_is_a_usage_error_that_names_those_there_are() -> None:
    result = CliRunner().invoke(group, ["features", "--only", "spark"])
    assert result.exit_code == 2
    assert (
        "Invalid value for '--only': 'spark' is not one of 'headrace', 'headrace_binary', 'pass_through',"
        " 'stacked_sql', 'quix_streams', 'headrace_hot_keys', 'headrace_rocksdb', 'headrace_rocksdb_hot_keys'."
        in result.output
    )


def test_too_few_events_to_measure_are_a_usage_error() -> None:
    result = CliRunner().invoke(group, ["features", "--events", "10"])
    assert result.exit_code == 2
    assert "Invalid value for '--events': 10 is not in the range x>=2000." in result.output


def test_all_benchmarks_are_listed() -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert [line.split()[0] for line in result.output.split("Commands:")[1].strip().splitlines()] == [
        "features",
        "ingest",
        "lake",
        "latency",
        "online",
        "training-set",
    ]
