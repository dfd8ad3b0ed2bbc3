"""One window that is still collecting trades."""

import math

import msgspec

from candlecast.market.candle import Candle
from candlecast.market.exact_sum import exact_parts

_VOLUME_DECIMALS = 8
_COMPACT_PARTS = 4


class OpenWindow(msgspec.Struct, array_like=True):
    """What has been seen of a window so far; small enough to be kept in a stream's state.

    The three sums are lists of doubles whose exact sum is meant (see `exact_sum`).
    """

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    trade_count: int
    first_trade_id: int
    last_trade_id: int
    quantities: list[float]
    notionals: list[float]
    buy_quantities: list[float]

    def merge(self, later: "OpenWindow") -> None:
        """Add what a later part of the same window has seen."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.trade_count += later.trade_count
        if self.first_trade_id == 0:
            self.first_trade_id = later.first_trade_id
        if later.last_trade_id != 0:
            self.last_trade_id = later.last_trade_id
        self.quantities += later.quantities
        self.notionals += later.notionals
        self.buy_quantities += later.buy_quantities

    def compact(self) -> None:
        """Shorten the sums without changing what they mean."""
        if len(self.quantities) > _COMPACT_PARTS:
            self.quantities = exact_parts(self.quantities)
            self.notionals = exact_parts(self.notionals)
            self.buy_quantities = exact_parts(self.buy_quantities)

    def to_candle(self, product_id: str, window_ms: int) -> Candle:
        """Close the window."""
        quantity = math.fsum(self.quantities)
        return Candle(
            product_id=product_id,
            timestamp_ms=self.start_ms + window_ms,
            start_ms=self.start_ms,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=round(quantity, _VOLUME_DECIMALS),
            vwap=math.fsum(self.notionals) / quantity if quantity > 0 else 0.0,
            trade_count=self.trade_count,
            buy_volume=round(math.fsum(self.buy_quantities), _VOLUME_DECIMALS),
            first_trade_id=self.first_trade_id,
            last_trade_id=self.last_trade_id,
        )


def flat_candle(product_id: str, start_ms: int, window_ms: int, previous_close: float) -> Candle:
    """Return the candle of a window without trades, as Kraken's own candles have it."""
    return Candle(
        product_id=product_id,
        timestamp_ms=start_ms + window_ms,
        start_ms=start_ms,
        open=previous_close,
        high=previous_close,
        low=previous_close,
        close=previous_close,
        volume=0.0,
        vwap=0.0,
        trade_count=0,
        buy_volume=0.0,
        first_trade_id=0,
        last_trade_id=0,
    )
