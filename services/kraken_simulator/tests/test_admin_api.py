from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kraken_simulator.testing import RunningSimulator, running_simulator

Fetch = Callable[..., Any]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(speed=60) as running:
        yield running


def test_the_truth_is_a_candle_for_every_minute_with_all_fields(
    simulator: RunningSimulator,
) -> None:
    end_ms = simulator.server_ms // 60_000 * 60_000
    candles = simulator.truth("QNT/USD", end_ms - 3_600_000, end_ms)
    assert [candle["start_ms"] for candle in candles] == list(
        range(end_ms - 3_600_000, end_ms, 60_000)
    )
    assert set(candles[0]) == {
        "product_id", "timestamp_ms", "start_ms", "open", "high", "low", "close", "volume",
        "vwap", "trade_count", "buy_volume", "first_trade_id", "last_trade_id",
    }  # fmt: skip
    assert any(candle["trade_count"] == 0 for candle in candles)


def test_the_truth_agrees_with_the_candles_of_rest(
    simulator: RunningSimulator, fetch: Fetch
) -> None:
    rows = fetch(f"{simulator.rest_url}/0/public/OHLC?pair=ETHUSD").json["result"]["XETHZUSD"]
    committed = rows[:-1]
    start_ms, end_ms = committed[0][0] * 1_000, committed[-1][0] * 1_000 + 60_000
    truth = simulator.truth("ETH/USD", start_ms, end_ms)
    assert [[c["open"], c["high"], c["low"], c["close"], c["trade_count"]] for c in truth] == [
        [*(float(price) for price in row[1:5]), row[7]] for row in committed
    ]
    assert [candle["volume"] for candle in truth] == [float(row[6]) for row in committed]


def test_a_missing_trade_is_part_of_the_truth(simulator: RunningSimulator) -> None:
    end_ms = simulator.server_ms // 60_000 * 60_000
    before = simulator.truth("BTC/USD", end_ms - 60_000, end_ms)
    missing = [before[0]["first_trade_id"]]
    simulator.set_faults(missing_trade_ids={"BTC/USD": missing})
    after = simulator.truth("BTC/USD", end_ms - 60_000, end_ms)
    simulator.set_faults(missing_trade_ids={})
    assert before == after


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("product_id=XBT/USD&start_ms=0&end_ms=0", "product_id='XBT/USD' is not listed"),
        ("product_id=BTC/USD&end_ms=0", "start_ms is missing"),
        ("product_id=BTC/USD&start_ms=now&end_ms=0", "start_ms='now' is not a whole number"),
        ("product_id=BTC/USD&start_ms=1&end_ms=60000", "multiples of the window"),
        ("product_id=BTC/USD&start_ms=0&end_ms=0&window_seconds=0", "multiples of the window"),
        ("product_id=BTC/USD&start_ms=60000&end_ms=0", "must be in order"),
        ("product_id=BTC/USD&start_ms=0&end_ms=9999999960000", "not after server time"),
    ],
)
def test_a_range_without_a_truth_is_refused_with_one_line(
    simulator: RunningSimulator, fetch: Fetch, query: str, reason: str
) -> None:
    answer = fetch(f"{simulator.admin_url}/truth?{query}")
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert "\n" not in answer.json["error"]


def test_the_clock_is_told(simulator: RunningSimulator, fetch: Fetch) -> None:
    before_ms = simulator.server_ms
    answer = fetch(f"{simulator.admin_url}/clock").json
    assert before_ms <= answer["server_ms"] <= simulator.server_ms
    assert answer["speed"] == 60.0


def test_faults_are_shown_changed_in_part_and_refused_when_wrong(
    simulator: RunningSimulator, fetch: Fetch
) -> None:
    url = f"{simulator.admin_url}/faults"
    answer = fetch(url, '{"slow_seconds": 3, "missing_trade_ids": {"ETH/USD": [7]}}')
    assert answer.json["slow_seconds"] == 3.0
    assert fetch(url, '{"rest_lag_ms": 5}').json["missing_trade_ids"] == {"ETH/USD": [7]}
    assert fetch(url).json["rest_lag_ms"] == 5
    refused = fetch(url, '{"slow_probability": 2}')
    assert refused.status == 400
    assert "slow_probability" in refused.json["error"]
    fetch(url, '{"slow_seconds": 0, "rest_lag_ms": 0, "missing_trade_ids": {}}')


def test_a_silence_without_seconds_is_refused(simulator: RunningSimulator, fetch: Fetch) -> None:
    assert fetch(f"{simulator.admin_url}/silence", "{}").status == 400
