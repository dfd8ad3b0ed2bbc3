import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.kraken.reconnect import BUDGET_WINDOW_SECONDS, ReconnectPolicy


def policy(**settings: int) -> ReconnectPolicy:
    return ReconnectPolicy(jitter=lambda: 0.0, **settings)


def delays_after_failures(count: int) -> list[float]:
    reconnects = policy()
    delays = []
    for _ in range(count):
        reconnects.attempt_started(0.0)
        reconnects.connection_ended(0.0, lived_seconds=0.0)
        delays.append(reconnects.delay_seconds(0.0))
    return delays


def test_the_first_connection_does_not_wait() -> None:
    assert policy().delay_seconds(0.0) == 0.0


def test_a_few_drops_are_answered_at_once_and_more_with_at_least_five_seconds() -> None:
    assert delays_after_failures(7) == pytest.approx([0.0, 0.0, 0.0, 5.0, 7.5, 11.25, 16.875])


def test_the_back_off_ends_at_its_maximum() -> None:
    assert delays_after_failures(60)[-1] == 30.0


def test_a_connection_that_lived_long_clears_the_failures_before_it() -> None:
    reconnects = policy()
    for _ in range(10):
        reconnects.connection_ended(0.0, lived_seconds=0.0)

    reconnects.connection_ended(1000.0, lived_seconds=60.0)

    assert reconnects.delay_seconds(1000.0) == 0.0


def test_after_maintenance_even_the_first_reconnect_is_calm() -> None:
    reconnects = policy()

    reconnects.connection_ended(0.0, lived_seconds=3600.0, was_maintenance=True)

    assert reconnects.delay_seconds(0.0) == 5.0


def test_the_servers_wish_is_granted() -> None:
    reconnects = policy()

    reconnects.connection_ended(0.0, lived_seconds=0.0, retry_after_seconds=60.0)

    assert reconnects.delay_seconds(0.0) == 60.0


def test_time_passed_since_the_end_counts() -> None:
    reconnects = policy()

    reconnects.connection_ended(0.0, lived_seconds=0.0, retry_after_seconds=60.0)

    assert reconnects.delay_seconds(45.0) == 15.0
    assert reconnects.delay_seconds(75.0) == 0.0


def test_jitter_only_adds() -> None:
    reconnects = ReconnectPolicy(jitter=lambda: 0.999, immediate_attempts=0)

    reconnects.connection_ended(0.0, lived_seconds=0.0)

    assert 5.0 < reconnects.delay_seconds(0.0) <= 6.25


@given(
    lifetimes=st.lists(st.sampled_from([0.0, 0.1, 3.0, 60.0, 61.0]), min_size=200, max_size=400),
    budget=st.sampled_from([10, 150]),
)
def test_the_budget_of_attempts_is_never_exceeded(lifetimes: list[float], budget: int) -> None:
    reconnects = policy(attempts_budget=budget, immediate_attempts=1_000_000)
    now, attempts = 0.0, list[float]()
    for lifetime in lifetimes:
        now += reconnects.delay_seconds(now)
        reconnects.attempt_started(now)
        attempts.append(now)
        now += lifetime
        reconnects.connection_ended(now, lived_seconds=lifetime)

    for earlier, later in zip(attempts, attempts[budget:], strict=False):
        assert later - earlier >= BUDGET_WINDOW_SECONDS * (1 - 1e-12)
