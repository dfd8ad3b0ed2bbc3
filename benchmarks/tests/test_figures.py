import pytest
from benchmarks.figures import Figure, Statistic, Target, ratios

AT_MOST_10 = Target(limit=10, is_minimum=False, statistic=Statistic.P99, fewest_values=300)


def figure(*values: float, target: Target | None = None) -> Figure:
    return Figure(name="latency", unit="ms", values=values, target=target)


def test_p99_is_a_value_that_was_measured() -> None:
    assert figure(*range(1, 401)).statistic(Statistic.P99) == 396


def test_one_slow_sample_in_a_hundred_does_not_miss_a_p99_target_and_two_do() -> None:
    assert figure(*[1.0] * 396, *[50.0] * 4, target=AT_MOST_10).is_target_met is True
    assert figure(*[1.0] * 395, *[50.0] * 5, target=AT_MOST_10).is_target_met is False


def test_too_few_samples_prove_nothing() -> None:
    assert figure(*[1.0] * 299, target=AT_MOST_10).is_target_met is False


def test_a_minimum_is_met_by_the_median_of_the_rounds() -> None:
    target = Target(limit=2, is_minimum=True, statistic=Statistic.MEDIAN)
    assert figure(1.0, 2.0, 9.0, target=target).is_target_met is True
    assert figure(1.0, 1.9, 9.0, target=target).is_target_met is False


def test_without_a_target_there_is_nothing_to_meet() -> None:
    assert figure(1.0).is_target_met is None


@pytest.mark.parametrize("values", [(), (1.0, float("nan"))])
def test_a_figure_without_numbers_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no values"):
        figure(*values)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([10.0, 30.0], [5.0, 10.0]) == (2.0, 3.0)
