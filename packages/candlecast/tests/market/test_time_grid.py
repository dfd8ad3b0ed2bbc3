import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.market.time_grid import (
    DAY_MS,
    MINUTE_MS,
    ceil_to_window,
    floor_to_window,
    window_starts,
)

moments_ms = st.integers(0, 10**13)
windows_ms = st.sampled_from([1_000, 5_000, MINUTE_MS, 3_600_000, DAY_MS])


@pytest.mark.parametrize(
    ("moment_ms", "floor_ms", "ceil_ms"),
    [
        (0, 0, 0),
        (1, 0, MINUTE_MS),
        (MINUTE_MS - 1, 0, MINUTE_MS),
        (MINUTE_MS, MINUTE_MS, MINUTE_MS),
        (MINUTE_MS + 1, MINUTE_MS, 2 * MINUTE_MS),
    ],
)
def test_a_minute_begins_with_its_first_millisecond(
    moment_ms: int, floor_ms: int, ceil_ms: int
) -> None:
    assert floor_to_window(moment_ms) == floor_ms
    assert ceil_to_window(moment_ms) == ceil_ms


@given(moment_ms=moments_ms, window_ms=windows_ms)
def test_floor_and_ceil_are_the_nearest_starts_on_either_side(
    moment_ms: int, window_ms: int
) -> None:
    floor_ms, ceil_ms = floor_to_window(moment_ms, window_ms), ceil_to_window(moment_ms, window_ms)

    assert floor_ms <= moment_ms <= ceil_ms
    assert floor_ms % window_ms == ceil_ms % window_ms == 0
    assert ceil_ms - floor_ms == (0 if moment_ms % window_ms == 0 else window_ms)


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "starts"),
    [
        (0, 2 * MINUTE_MS, [0, MINUTE_MS]),
        (1, 2 * MINUTE_MS, [MINUTE_MS]),
        (0, 2 * MINUTE_MS - 1, [0]),
        (1, MINUTE_MS - 1, []),
        (3 * MINUTE_MS, MINUTE_MS, []),
    ],
)
def test_only_whole_windows_of_a_range_count(start_ms: int, end_ms: int, starts: list[int]) -> None:
    assert list(window_starts(start_ms, end_ms)) == starts
