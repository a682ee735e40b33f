"""When a process that died is started again."""

from headrace.stack.spec import RestartPolicy


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    policy = RestartPolicy(deaths=100)
    pauses = [policy.pause_seconds([0.0] * deaths, now=0.0) for deaths in range(1, 8)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_fifth_death_within_a_minute_is_the_last() -> None:
    policy = RestartPolicy()
    assert policy.pause_seconds([0.0, 10.0, 20.0, 30.0], now=30.0) == 4.0
    assert policy.pause_seconds([0.0, 10.0, 20.0, 30.0, 60.0], now=60.0) is None


def test_deaths_of_more_than_a_minute_ago_are_forgotten() -> None:
    assert RestartPolicy().pause_seconds([0.0, 1.0, 2.0, 3.0, 63.5], now=63.5) == 0.5
