"""Candles straight from their definition: plain numpy over all trades of a range.

This is the yardstick the project's own candles are held against, so it shares no code with them
and knows no streaming: every window is cut out of the trades and computed on its own.
"""

from collections.abc import Iterator
from math import fsum

import numpy as np

from candlecast.market.candle import Candle
from kraken_simulator.exchange import Market
from kraken_simulator.trades import NANOSECONDS_PER_MILLISECOND, Trades

_VOLUME_DECIMALS = 8
# Trades of about a day are held at once, however long the range is.
_CHUNK_MS = 86_400_000


def candles_of_range(
    market: Market, start_ms: int, end_ms: int, window_ms: int
) -> Iterator[Candle]:
    """Yield the candle of every window of [start_ms, end_ms), flat ones for empty windows.

    Windows before the product's very first trade have no candle: there is no price to repeat.
    """
    previous_close = _close_before(market, start_ms)
    chunk_ms = max(_CHUNK_MS // window_ms, 1) * window_ms
    for chunk_start_ms in range(start_ms, end_ms, chunk_ms):
        chunk_end_ms = min(chunk_start_ms + chunk_ms, end_ms)
        trades = _trades_between(market, chunk_start_ms, chunk_end_ms)
        starts_ms = np.arange(chunk_start_ms, chunk_end_ms + window_ms, window_ms)
        edges = np.searchsorted(trades.timestamp_ns // NANOSECONDS_PER_MILLISECOND, starts_ms)
        for window, start in enumerate(starts_ms[:-1].tolist()):
            rows = trades.select(slice(int(edges[window]), int(edges[window + 1])))
            candle = _candle(market.product_id, start, start + window_ms, rows, previous_close)
            if candle is not None:
                yield candle
                previous_close = candle.close


def _trades_between(market: Market, start_ms: int, end_ms: int) -> Trades:
    source = market.source
    first_id = source.id_at(start_ms * NANOSECONDS_PER_MILLISECOND)
    return source.trades(first_id, source.id_at(end_ms * NANOSECONDS_PER_MILLISECOND))


def _close_before(market: Market, start_ms: int) -> float | None:
    # Ids have no holes, so the trade before is one id back, however long the silence was.
    first_id = market.source.id_at(start_ms * NANOSECONDS_PER_MILLISECOND)
    before = market.source.trades(first_id - 1, first_id)
    return float(before.price[0]) if len(before) > 0 else None


def _candle(
    product_id: str, start_ms: int, end_ms: int, rows: Trades, previous_close: float | None
) -> Candle | None:
    if len(rows) > 0:
        return _candle_of_trades(product_id, start_ms, end_ms, rows)
    if previous_close is None:
        return None
    return Candle(
        product_id=product_id,
        timestamp_ms=end_ms,
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


def _candle_of_trades(product_id: str, start_ms: int, end_ms: int, rows: Trades) -> Candle:
    quantity = fsum(rows.quantity.tolist())
    return Candle(
        product_id=product_id,
        timestamp_ms=end_ms,
        start_ms=start_ms,
        open=float(rows.price[0]),
        high=float(rows.price.max()),
        low=float(rows.price.min()),
        close=float(rows.price[-1]),
        volume=round(quantity, _VOLUME_DECIMALS),
        vwap=fsum((rows.price * rows.quantity).tolist()) / quantity,
        trade_count=len(rows),
        buy_volume=round(fsum(rows.quantity[rows.is_buy].tolist()), _VOLUME_DECIMALS),
        first_trade_id=int(rows.trade_id[0]),
        last_trade_id=int(rows.trade_id[-1]),
    )
