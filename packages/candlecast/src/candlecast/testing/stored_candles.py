"""Candles and rows for tests of stores: short to write, and with values that are hard to keep."""

from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.feature_group import TIMESTAMP_MS, ohlc_feature_group
from candlecast.store.feature_rows import FeatureRows

GROUP = ohlc_feature_group()
BTC, ETH = "BTC/USD", "ETH/USD"
FOREVER = (-(2**62), 2**62)


def make_candle(minute: int, *, product_id: str = BTC, close: float = 1.5) -> Candle:
    """Build a candle whose window starts `minute` minutes after 1970.

    Its other numbers are the ones that go wrong first: the largest integers, the smallest double,
    sums and quotients without a short decimal form.
    """
    return Candle(
        product_id=product_id,
        timestamp_ms=(minute + 1) * MINUTE_MS,
        start_ms=minute * MINUTE_MS,
        open=1.1,
        high=1e15 / 3,
        low=5e-324,
        close=close,
        volume=0.1 + 0.2,
        vwap=0.0,
        trade_count=2**53 + 1,
        buy_volume=0.00000001,
        first_trade_id=2**63 - 1,
        last_trade_id=-(2**63),
    )


def make_rows(
    first_minute: int, count: int = 1, *, product_id: str = BTC, close: float = 1.5
) -> FeatureRows:
    """Build rows of consecutive minutes."""
    return candles_to_rows(
        [
            make_candle(minute, product_id=product_id, close=close)
            for minute in range(first_minute, first_minute + count)
        ]
    )


def minutes_of(rows: FeatureRows) -> list[int]:
    """Return the minutes in which the rows' windows start, in the rows' order."""
    return [timestamp_ms // MINUTE_MS - 1 for timestamp_ms in rows[TIMESTAMP_MS].tolist()]


def closes_of(rows: FeatureRows) -> list[float]:
    """Return the closes, in the rows' order."""
    closes: list[float] = rows["close"].tolist()
    return closes
