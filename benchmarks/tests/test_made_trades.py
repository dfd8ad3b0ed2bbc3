from dataclasses import replace

import pytest
from benchmarks.made_trades import (
    BTC_LIKE,
    BUSY,
    START_MS,
    TradeShape,
    historical_records,
    make_trades,
    minute_candles,
    require_right,
)

from candlecast.errors import InvariantError


@pytest.mark.parametrize("shape", [BUSY, BTC_LIKE])
def test_a_market_is_as_busy_as_its_shape_says(shape: TradeShape) -> None:
    candles = minute_candles(make_trades(shape, 100_000))
    assert candles.trade_count.mean() == pytest.approx(shape.trades_per_minute, rel=0.1)
    assert candles.start_ms[0] == START_MS


def test_the_same_trades_are_made_every_time() -> None:
    assert make_trades(BUSY, 1_000).price.tolist() == make_trades(BUSY, 1_000).price.tolist()


def test_records_hold_every_trade_once_and_end_the_stream() -> None:
    records = list(historical_records(make_trades(BUSY, 1_050), 100))
    trade_ids = [trade_id for record in records for trade_id in record.batch.trade_id.tolist()]
    assert trade_ids == list(range(1, 1_051))
    assert [record.end_of_stream for record in records] == [False] * 10 + [True]
    assert [record.start is not None for record in records] == [True] + [False] * 10


def test_a_missing_candle_is_noticed() -> None:
    trades = make_trades(BUSY, 10_000)
    with pytest.raises(InvariantError, match="candles, not"):
        require_right(
            minute_candles(trades.select(slice(0, 5_000))), minute_candles(trades), maker="it"
        )


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "trade_count"])
def test_a_wrong_value_is_noticed(name: str) -> None:
    truth = minute_candles(make_trades(BUSY, 10_000))
    wrong = getattr(truth, name).copy()
    wrong[-1] += 1
    with pytest.raises(InvariantError, match=name):
        require_right(replace(truth, **{name: wrong}), truth, maker="it")


def test_right_candles_pass() -> None:
    trades = make_trades(BTC_LIKE, 10_000)
    require_right(minute_candles(trades), minute_candles(trades), maker="it")
