# ruff: noqa: S101 - asserting is what this module is for
"""What a consumer makes of the records: the judge of what was published."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord


@dataclass
class FoldedStream:
    """The candles of one product's records, and what had to be said about its trades."""

    candles: list[Candle] = field(default_factory=list)
    late_count: int = 0
    missing_count: int = 0
    duplicate_count: int = 0

    def between(self, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles of a range."""
        return [c for c in self.candles if start_ms <= c.start_ms and c.timestamp_ms <= end_ms]


def fold(records: Iterable[TradesRecord], product_id: str) -> FoldedStream:
    """Fold one product's records as trade_to_ohlc does."""
    builder = CandleBuilder(product_id)
    stream = FoldedStream()
    for record in records:
        if record.product_id != product_id:
            continue
        if record.start is not None:
            builder.begin(record.start.timestamp_ms, previous_close=record.start.previous_close)
        folded = builder.add(record.batch, watermark_ms=record.watermark_ms)
        stream.candles += folded.candles
        stream.late_count += 0 if folded.late is None else len(folded.late)
        stream.missing_count += folded.missing_count
        stream.duplicate_count += folded.duplicate_count
    return stream


def trades_of(records: Iterable[TradesRecord], product_id: str) -> TradeBatch:
    """Return one product's trades in the order of the records."""
    batches = [record.batch for record in records if record.product_id == product_id]
    return TradeBatch.concatenate(product_id, batches)


def require_sound(records: Iterable[TradesRecord], *, lost_ids: Collection[int] = ()) -> None:
    """Check what every record of one process promises, for one product.

    Ids go on without a hole (but for what nobody has) or a repetition, the cursor is that of the
    trades, the watermark never goes back and never passes a trade that comes later.
    """
    cursor: TradesRecord | None = None
    for record in records:
        batch = record.batch
        if cursor is not None:
            assert record.watermark_ms >= cursor.watermark_ms
            assert (batch.timestamp_ms >= cursor.watermark_ms).all()
        if len(batch) > 0:
            previous_id = 0 if cursor is None else cursor.last_trade_id
            first_id = previous_id + 1 if previous_id > 0 else int(batch.trade_id[0])
            absent = np.setdiff1d(np.arange(first_id, batch.trade_id[-1] + 1), batch.trade_id)
            assert set(absent.tolist()) <= set(lost_ids)
            assert batch.trade_id[0] >= first_id
            assert (np.diff(batch.trade_id) > 0).all()
            assert record.last_trade_id == batch.trade_id[-1]
            assert record.last_timestamp_ms == batch.timestamp_ms[-1]
        elif cursor is not None:
            assert record.last_trade_id == cursor.last_trade_id
            assert record.last_timestamp_ms == cursor.last_timestamp_ms
        cursor = record
