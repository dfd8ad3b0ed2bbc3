"""Trades made by a seeded generator, and their minutes by plain numpy: input and truth.

`minute_candles` knows nothing of `CandleBuilder`: it judges what the measured programs sent, and
it is the ceiling of what any program could reach on this machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from candlecast.errors import InvariantError
from candlecast.market.time_grid import MINUTE_MS, ceil_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import StreamStart, TradesRecord

PRODUCT_ID = "BTC/USD"
START_MS = 1_767_225_600_000
"""2026-01-01T00:00Z."""
_SEED = 20_260_101
_FIRST_PRICE = 85_000.0
_TICK = 0.1
# Fills of one order have one timestamp: 45 % of trades share that of the trade before them.
_SHARE_OF_FOLLOWERS = 0.45
_VOLUME_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class TradeShape:
    """How busy the made market is."""

    name: str
    trades_per_minute: int


BUSY = TradeShape("busy", 1_000)
BTC_LIKE = TradeShape("BTC/USD-like", 100)


def make_trades(shape: TradeShape, count: int) -> TradeBatch:
    """Make trades; the same ones on every machine."""
    random = np.random.default_rng(_SEED)
    gaps_ms = random.exponential(
        MINUTE_MS / shape.trades_per_minute / (1 - _SHARE_OF_FOLLOWERS), count
    )
    gaps_ms[random.random(count) < _SHARE_OF_FOLLOWERS] = 0.0
    steps = np.cumsum(random.integers(-3, 4, count))
    return TradeBatch(
        product_id=PRODUCT_ID,
        trade_id=np.arange(1, count + 1, dtype=np.int64),
        timestamp_ms=START_MS + np.cumsum(gaps_ms).astype(np.int64),
        price=np.round(_FIRST_PRICE + _TICK * steps, 1),
        quantity=np.round(random.lognormal(-5.0, 1.5, count) + 1e-8, 8),
        is_buy=random.random(count) < 0.5,
    )


def end_of_last_minute(batch: TradeBatch) -> int:
    """The moment from which all minutes of a batch are complete."""
    return ceil_to_window(int(batch.timestamp_ms[-1]) + 1)


def historical_records(batch: TradeBatch, trades_per_record: int) -> Iterator[TradesRecord]:
    """Cut trades into the records that trade_producer makes of them in historical mode."""
    start = StreamStart(timestamp_ms=START_MS, previous_close=_FIRST_PRICE)
    for first in range(0, len(batch), trades_per_record):
        part = batch.select(slice(first, first + trades_per_record))
        is_last = first + trades_per_record >= len(batch)
        last_ms = int(part.timestamp_ms[-1])
        yield TradesRecord(
            batch=part,
            last_trade_id=int(part.trade_id[-1]),
            last_timestamp_ms=last_ms,
            watermark_ms=end_of_last_minute(batch) if is_last else last_ms,
            end_of_stream=is_last,
            start=start if first == 0 else None,
        )


class MinuteCandle(msgspec.Struct, frozen=True):
    """What is compared of a candle, whichever program made it."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trade_count: int


@dataclass(frozen=True, slots=True, eq=False)
class MinuteCandles:
    """Candles in columns, in order of time."""

    start_ms: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]
    trade_count: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_ms)


def minute_candles(batch: TradeBatch) -> MinuteCandles:
    """Compute the candles of all minutes that have trades, at once."""
    starts = batch.timestamp_ms - batch.timestamp_ms % MINUTE_MS
    firsts = np.concatenate(([0], np.flatnonzero(starts[1:] != starts[:-1]) + 1))
    ends = np.concatenate((firsts[1:], [len(batch)]))
    return MinuteCandles(
        start_ms=starts[firsts],
        open=batch.price[firsts],
        high=np.maximum.reduceat(batch.price, firsts),
        low=np.minimum.reduceat(batch.price, firsts),
        close=batch.price[ends - 1],
        volume=np.add.reduceat(batch.quantity, firsts),
        trade_count=ends - firsts,
    )


def in_columns(candles: list[MinuteCandle]) -> MinuteCandles:
    """Put candles into columns."""
    names = [field.name for field in fields(MinuteCandles)]
    columns: list[Any] = [np.array([getattr(each, name) for each in candles]) for name in names]
    return MinuteCandles(*columns)


def require_right(found: MinuteCandles, expected: MinuteCandles, *, maker: str) -> None:
    """Make sure that a program did all of the work that it is timed for.

    Raises:
        InvariantError: a candle is missing, twice there, or different.
    """
    if len(found) != len(expected):
        raise InvariantError(f"{maker} made {len(found)} candles, not {len(expected)}")
    names = [field.name for field in fields(MinuteCandles)]
    for name in names:
        values, truth = getattr(found, name), getattr(expected, name)
        is_right = np.isclose(values, truth, rtol=_VOLUME_TOLERANCE, atol=_VOLUME_TOLERANCE)
        if not bool((is_right if name == "volume" else values == truth).all()):
            raise InvariantError(f"{maker} made candles whose {name} differs from numpy's")
