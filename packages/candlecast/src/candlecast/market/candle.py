"""A closed candle."""

import msgspec


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """What one product did in the window [start_ms, timestamp_ms).

    Attributes:
        product_id: for instance "BTC/USD".
        timestamp_ms: the end of the window: the moment from which the candle can be known.
        start_ms: the start of the window.
        open, high, low, close: prices; all equal to the previous close in a window without trades.
        volume: sum of the quantities, exact at 8 decimals.
        vwap: volume-weighted average price; 0.0 without trades, as Kraken has it.
        trade_count: number of trades.
        buy_volume: the part of the volume whose taker bought.
        first_trade_id, last_trade_id: 0 in a window without trades, or of trades without ids.
    """

    product_id: str
    timestamp_ms: int
    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trade_count: int
    buy_volume: float
    first_trade_id: int
    last_trade_id: int

    @property
    def is_flat(self) -> bool:
        """Whether the window had no trades."""
        return self.trade_count == 0
