from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from candlecast.runtime.backoff import backoff_delays

seconds = st.floats(min_value=0.001, max_value=1000)


@given(initial=seconds, factor=st.floats(1.0, 10.0), maximum=seconds)
def test_delays_stay_within_half_and_whole_of_a_growing_ceiling(
    initial: float, factor: float, maximum: float
) -> None:
    delays = backoff_delays(initial_seconds=initial, factor=factor, maximum_seconds=maximum)
    ceiling = min(initial, maximum)
    for delay in islice(delays, 40):
        assert ceiling * 0.5 <= delay <= ceiling
        ceiling = min(ceiling * factor, maximum)


def test_delays_reach_the_maximum_and_go_on_for_ever() -> None:
    delays = list(islice(backoff_delays(maximum_seconds=8.0), 1000))
    assert all(4.0 <= delay <= 8.0 for delay in delays[10:])


def test_two_clients_do_not_come_back_at_the_same_moment() -> None:
    assert len({next(backoff_delays()) for _ in range(100)}) > 90
