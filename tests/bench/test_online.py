"""`headrace bench online`: both write and read the same values, and what is not at hand is said."""

from headrace.bench.online import OnlineBench, OnlineResult, StoreResult, bench_online
from headrace.bench.online_report import absent_lines, as_data, rows_of


def test_both_hold_the_same_values_on_sqlite() -> None:
    bench = OnlineBench(rows=600, keys=100, features=3, rounds=2, reads=20, stores=("sqlite",))
    result = bench_online(bench)
    measured = result.stores["sqlite"]
    assert measured.equal_values == 100 * 3
    assert {who: (len(rates), min(rates) > 0) for who, rates in measured.write_rates.items()} == {
        "headrace": (2, True), "feast": (2, True),
    }  # fmt: skip
    assert {who: len(times) for who, times in measured.read_ms.items()} == {"headrace": 20, "feast": 20}


def test_the_result_has_medians_and_what_was_left_out() -> None:
    measured = StoreResult(
        {"headrace": [10.0, 40.0, 30.0], "feast": [5.0, 6.0, 4.0]}, {"headrace": [1.0], "feast": [2.0]}
    )
    result = OnlineResult(OnlineBench(), {"sqlite": measured}, {"valkey": "no server is here"})
    data = as_data(result, {})
    assert data["ratios"] == {"sqlite: headrace/feast": 6.0}
    assert rows_of(data) == [["sqlite", "headrace", 30, 10, 40, 1.0, 1.0], ["sqlite", "feast", 5, 4, 6, 2.0, 2.0]]
    assert absent_lines(data) == ["valkey was not measured: no server is here."]
