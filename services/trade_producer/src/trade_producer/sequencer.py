"""Turns trades that arrive in any manner into the contiguous prefix: pure, no I/O.

Kraken numbers the trades of a pair without holes, the same numbers over REST and WebSocket. Only
trades whose predecessors are all published may be published; the others are held until REST has
filled the gap before them, or until nobody has what is missing.
"""

from dataclasses import dataclass

import numpy as np

from candlecast.market.trade_batch import TradeBatch


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
    """

    def __init__(
        self, product_id: str, *, last_trade_id: int, last_timestamp_ms: int, watermark_ms: int
    ) -> None:
        self.product_id = product_id
        self.last_trade_id = last_trade_id
        self.last_timestamp_ms = last_timestamp_ms
        self.watermark_ms = watermark_ms
        self._held = TradeBatch.empty(product_id)

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

    def offer(self, batch: TradeBatch) -> TradeBatch:
        """Take trades, known or new, in order or not; return those that may be published now."""
        new = batch.select(batch.trade_id > self.last_trade_id)
        if len(new) == 0:
            return new
        if len(self._held) > 0:
            new = TradeBatch.concatenate(self.product_id, [self._held, new])
        if not bool((new.trade_id[1:] > new.trade_id[:-1]).all()):
            _, first_rows = np.unique(new.trade_id, return_index=True)
            new = new.select(first_rows)
        # The very first trade of a product may have any number (HFT/USD starts at 3).
        expected_id = int(new.trade_id[0]) if self.last_trade_id == 0 else self.last_trade_id + 1
        is_contiguous = new.trade_id == np.arange(expected_id, expected_id + len(new))
        ready_count = len(new) if bool(is_contiguous.all()) else int(np.argmin(is_contiguous))
        self._held = new.select(slice(ready_count, None))
        return self._release(new.select(slice(0, ready_count)))

    def skip_to(self, trade_id: int) -> TradeBatch:
        """Give up on the ids before `trade_id`; return held trades that may be published now."""
        self.last_trade_id = max(self.last_trade_id, trade_id - 1)
        held, self._held = self._held, TradeBatch.empty(self.product_id)
        return self.offer(held)

    def prove_until(self, timestamp_ms: int) -> bool:
        """Note that no trade before `timestamp_ms` is missing; True if that moves the watermark.

        It is ignored while trades are held: then something is known to be missing.
        """
        if self.gap is not None or timestamp_ms <= self.watermark_ms:
            return False
        self.watermark_ms = timestamp_ms
        return True

    def _release(self, ready: TradeBatch) -> TradeBatch:
        if len(ready) > 0:
            self.last_trade_id = int(ready.trade_id[-1])
            self.last_timestamp_ms = int(ready.timestamp_ms[-1])
            # Nothing before this trade is missing, and ids rise with time.
            self.watermark_ms = max(self.watermark_ms, self.last_timestamp_ms)
        return ready
