"""Turns trades that arrive in any manner into records of the contiguous prefix: pure, no I/O.

Kraken numbers the trades of a pair without holes, the same numbers over REST and WebSocket. Only
trades whose predecessors are all published may be published; the others are held until REST has
filled the gap before them, or has shown twice that nobody has what is missing.

That times rise with ids is Kraken's habit, not its promise. Should a trade ever be dated before the
watermark, it is published all the same and counted; what to do about it is for those to decide who
have closed a candle meanwhile.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from candlecast.errors import ConfigurationError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord

LARGEST_RECORD_TRADES = 1_000

_RENUMBERED_AFTER_MS = 60_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Trade ids that have not arrived although later ones have: [first_id, end_id)."""

    first_id: int
    end_id: int

    def __len__(self) -> int:
        return self.end_id - self.first_id


class TradeSequencer:
    """The cursor and the watermark of one product.

    Attributes:
        last_trade_id: id of the last trade released; 0 before the very first of the product.
        last_timestamp_ms: its timestamp, or where the search for the first trade starts.
        watermark_ms: all trades with an earlier timestamp have been released.
        late_count: trades released although they are dated before the watermark.
    """

    def __init__(
        self, product_id: str, *, last_trade_id: int, last_timestamp_ms: int, watermark_ms: int
    ) -> None:
        self.product_id = product_id
        self.last_trade_id = last_trade_id
        self.last_timestamp_ms = last_timestamp_ms
        self.watermark_ms = watermark_ms
        self.late_count = 0
        self._held = TradeBatch.empty(product_id)

    @classmethod
    def resume(cls, cursor: TradesRecord) -> Self:
        """Build a sequencer that goes on after a published record."""
        return cls(
            cursor.product_id,
            last_trade_id=cursor.last_trade_id,
            last_timestamp_ms=cursor.last_timestamp_ms,
            watermark_ms=cursor.watermark_ms,
        )

    @property
    def gap(self) -> Gap | None:
        """The ids to fetch before the held trades can go; None if none are held."""
        if len(self._held) == 0:
            return None
        return Gap(self.last_trade_id + 1, int(self._held.trade_id[0]))

    @property
    def held_count(self) -> int:
        """Number of trades that wait for their predecessors."""
        return len(self._held)

    def offer(self, batch: TradeBatch) -> list[TradesRecord]:
        """Take trades, known or new, in order or not; return what may be published now.

        Raises:
            ConfigurationError: the exchange counts anew, so ids prove nothing any more.
        """
        is_new = batch.trade_id > self.last_trade_id
        if not is_new.all():
            self._require_old(batch.select(~is_new))
            batch = batch.select(is_new)
        if len(batch) == 0:
            return []
        new = TradeBatch.concatenate(self.product_id, [self._held, batch])
        if not bool((new.trade_id[1:] > new.trade_id[:-1]).all()):
            _, first_rows = np.unique(new.trade_id, return_index=True)
            new = new.select(first_rows)
        first_id = self.last_trade_id + 1
        is_contiguous = new.trade_id == np.arange(first_id, first_id + len(new))
        ready_count = len(new) if bool(is_contiguous.all()) else int(np.argmin(is_contiguous))
        self._held = new.select(slice(ready_count, None))
        return [
            self._release(new.select(slice(start, min(start + LARGEST_RECORD_TRADES, ready_count))))
            for start in range(0, ready_count, LARGEST_RECORD_TRADES)
        ]

    def skip_to(self, trade_id: int) -> list[TradesRecord]:
        """Give up on the ids before `trade_id`; return what may be published now.

        It is also how a product's first trade is met: that may have any number (HFT/USD starts at
        3), and only REST knows which one it is.
        """
        self.last_trade_id = max(self.last_trade_id, trade_id - 1)
        held, self._held = self._held, TradeBatch.empty(self.product_id)
        return self.offer(held.select(held.trade_id > self.last_trade_id))

    def prove_until(self, timestamp_ms: int) -> bool:
        """Note that no trade before `timestamp_ms` is missing; True if that moves the watermark.

        It is ignored while trades are held: then something is known to be missing.
        """
        if self.gap is not None or timestamp_ms <= self.watermark_ms:
            return False
        self.watermark_ms = timestamp_ms
        return True

    def tick(self) -> TradesRecord:
        """Return a record without trades: the cursor and the watermark."""
        return self._record(TradeBatch.empty(self.product_id))

    def end(self, end_ms: int) -> TradesRecord:
        """Return the last record of a stream that is complete up to `end_ms`."""
        self.watermark_ms = end_ms
        return self._record(TradeBatch.empty(self.product_id), end_of_stream=True)

    def _release(self, ready: TradeBatch) -> TradesRecord:
        self.late_count += int(np.count_nonzero(ready.timestamp_ms < self.watermark_ms))
        self.last_trade_id = int(ready.trade_id[-1])
        self.last_timestamp_ms = int(ready.timestamp_ms[-1])
        # Nothing before this trade is missing, and times rise with ids.
        self.watermark_ms = max(self.watermark_ms, self.last_timestamp_ms)
        return self._record(ready)

    def _record(self, batch: TradeBatch, *, end_of_stream: bool = False) -> TradesRecord:
        return TradesRecord(
            batch=batch,
            last_trade_id=self.last_trade_id,
            last_timestamp_ms=self.last_timestamp_ms,
            watermark_ms=self.watermark_ms,
            end_of_stream=end_of_stream,
        )

    def _require_old(self, known: TradeBatch) -> None:
        """Trades known by id must be as old as that: else they are others with used numbers."""
        is_young = known.timestamp_ms > self.last_timestamp_ms + _RENUMBERED_AFTER_MS
        is_young &= known.trade_id > 0
        if is_young.any():
            young_id = int(known.trade_id[np.argmax(is_young)])
            raise ConfigurationError(
                f"{self.product_id}: trade {young_id} happened after trade {self.last_trade_id}, "
                "which is published: the exchange counts anew (another one, or a simulator that "
                "was started again?); use another KAFKA_TOPIC"
            )
