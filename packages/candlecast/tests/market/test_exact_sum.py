import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.market.exact_sum import exact_parts, exact_parts_of_segments
from candlecast.testing.strategies import quantities

finite = st.floats(-1e100, 1e100)
not_negative = st.one_of(st.floats(0, 1e200), quantities, st.just(0.0))


@given(values=st.lists(st.one_of(finite, quantities), max_size=60))
def test_exact_parts_have_exactly_the_sum_of_the_values(values: list[float]) -> None:
    parts = exact_parts(values)

    assert sum(map(Fraction, parts)) == sum(map(Fraction, values))
    assert math.fsum(parts) == math.fsum(values)


@given(values=st.lists(quantities, max_size=500))
def test_exact_parts_of_quantities_are_few(values: list[float]) -> None:
    assert len(exact_parts(values)) <= 5


def test_values_that_cancel_leave_no_parts() -> None:
    assert exact_parts([1e100, 1.0, -1e100, -1.0]) == []


@settings(max_examples=40, deadline=None)
@given(
    some=st.lists(not_negative, min_size=1, max_size=20),
    size=st.sampled_from([1, 7, 300, 301, 800]),
    cuts=st.sets(st.integers(1, 800), max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_segment_of_each_column_keeps_its_exact_sum(
    some: list[float], size: int, cuts: set[int], seed: int
) -> None:
    columns = np.random.default_rng(seed).choice(some, (2, size))
    firsts = np.array([0, *sorted(cut for cut in cuts if cut < size)])

    parts = exact_parts_of_segments(columns, firsts)

    ends = [*firsts[1:], size]
    for column, column_parts in zip(columns, parts, strict=True):
        assert [sum(map(Fraction, segment)) for segment in column_parts] == [
            sum(map(Fraction, column[first:end])) for first, end in zip(firsts, ends, strict=True)
        ]


@pytest.mark.parametrize("largest", [1e-300, 1.0, 1e15])
def test_parts_of_many_values_of_like_size_are_few(largest: float) -> None:
    values = np.random.default_rng(1).random((1, 10_000)) * largest

    segments = exact_parts_of_segments(values, np.array([0, 5_000]))[0]

    assert [len(parts) for parts in segments] == [3, 3]
