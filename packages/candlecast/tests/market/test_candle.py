import pytest

from candlecast.market.open_window import flat_candle
from candlecast.market.time_grid import MINUTE_MS


def test_a_candle_without_trades_is_flat_and_repeats_the_price() -> None:
    candle = flat_candle("BTC/USD", 5 * MINUTE_MS, MINUTE_MS, 42.5)

    assert candle.is_flat
    assert (candle.open, candle.high, candle.low, candle.close) == (42.5,) * 4
    assert (candle.volume, candle.vwap, candle.buy_volume, candle.trade_count) == (0, 0, 0, 0)
    assert (candle.start_ms, candle.timestamp_ms) == (5 * MINUTE_MS, 6 * MINUTE_MS)


def test_a_candle_cannot_be_changed() -> None:
    candle = flat_candle("BTC/USD", 0, MINUTE_MS, 42.5)
    with pytest.raises(AttributeError):
        candle.close = 43.0  # type: ignore[misc] # the point of the test
