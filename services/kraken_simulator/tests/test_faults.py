import pytest

from candlecast.errors import ConfigurationError
from kraken_simulator.faults import (
    HTTP_SERVER_ERRORS,
    FaultInjector,
    Faults,
    change_faults,
    parse_faults,
)


def test_a_change_replaces_what_it_names_and_leaves_the_rest() -> None:
    faults = parse_faults('{"rest_lag_ms": 500, "slow_seconds": 2}')
    changed = change_faults(faults, '{"rest_lag_ms": 0, "missing_trade_ids": {"BTC/USD": [3, 4]}}')
    assert changed == Faults(slow_seconds=2.0, missing_trade_ids={"BTC/USD": frozenset({3, 4})})
    assert change_faults(changed, "{}") == changed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"drop_message_probability": 1.5}', "<= 1.0"),
        ('{"slow_seconds": -1}', ">= 0.0"),
        ('{"rest_lag_ms": "much"}', "rest_lag_ms"),
        ('{"earthquake_probability": 1}', "earthquake_probability"),
        ('{"missing_trade_ids": [1]}', "missing_trade_ids"),
        ("[]", "object"),
        ("{", "truncated"),
    ],
)
def test_wrong_faults_are_refused_with_one_line_that_says_why(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as failure:
        parse_faults(text)
    assert "\n" not in str(failure.value)


def test_the_same_seed_rolls_the_same_dice() -> None:
    first, second = (FaultInjector(Faults(), seed=5) for _ in range(2))
    rolls = [first.strikes(0.5) for _ in range(100)]
    assert rolls == [second.strikes(0.5) for _ in range(100)]
    assert 20 < sum(rolls) < 80


def test_a_fault_that_is_off_never_strikes_and_one_that_is_certain_always_does() -> None:
    injector = FaultInjector(Faults(), seed=1)
    assert not any(injector.strikes(0.0) for _ in range(100))
    assert all(injector.strikes(1.0) for _ in range(100))


def test_server_errors_are_those_of_kraken_s_edge() -> None:
    injector = FaultInjector(Faults(), seed=1)
    assert {injector.server_error_status() for _ in range(200)} == set(HTTP_SERVER_ERRORS)
