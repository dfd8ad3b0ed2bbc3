"""An exchange and a topic in memory, for tests that decide what happens when."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np

from candlecast.errors import TransientError
from candlecast.kraken.rest_parser import TradesPage
from candlecast.kraken.trade_history import NANOSECONDS_PER_MILLISECOND
from candlecast.market.product import Product
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord


def make_product(product_id: str = "BTC/USD") -> Product:
    """Build a product with the names an exchange might give it."""
    return Product(
        product_id=product_id,
        rest_key=f"X{product_id}",
        altname=product_id.replace("/", ""),
        websocket_v1_name=product_id,
        price_decimals=1,
        quantity_decimals=8,
    )


class InMemorySink:
    """A `RecordSink` that keeps everything."""

    def __init__(self) -> None:
        self.records: list[TradesRecord] = []
        self._grown = asyncio.Event()

    def publish(
        self,
        record: TradesRecord,
        *,
        received_monotonic_seconds: float | None = None,  # noqa: ARG002 - the port has it
    ) -> None:
        """Keep a record."""
        self.records.append(record)
        self._grown.set()

    async def wait_for_room(self) -> None:
        """There always is."""
        await asyncio.sleep(0)

    async def until_count(self, count: int) -> None:
        """Wait until there are so many records."""
        while len(self.records) < count:
            self._grown.clear()
            await self._grown.wait()

    def of(self, product_id: str) -> list[TradesRecord]:
        """Return the records of one product."""
        return [record for record in self.records if record.product_id == product_id]

    def watermark_ms(self, product_id: str) -> int:
        """Return how far one product's trades are complete; 0 before its first record."""
        for record in reversed(self.records):
            if record.product_id == product_id:
                return record.watermark_ms
        return 0


class InMemoryExchange:
    """A `TradesSource` over a list of trades; a test says what REST shows of them, and when.

    Attributes:
        happened: all trades so far, ascending by id.
        shown_until_ms: REST shows trades up to here; None for all there are.
        hidden_ids: trades REST does not have.
        failures: so many of the next calls fail.
        call_count: how often it was asked.
        before_answer, after_answer: awaited in each call, before and after the answer is made.
    """

    def __init__(self, product_id: str = "BTC/USD") -> None:
        self.happened = TradeBatch.empty(product_id)
        self.shown_until_ms: int | None = None
        self.hidden_ids: set[int] = set()
        self.failures = 0
        self.call_count = 0
        self.before_answer: Callable[[], Awaitable[None]] = _at_once
        self.after_answer: Callable[[], Awaitable[None]] = _at_once

    def happen(self, batch: TradeBatch) -> TradeBatch:
        """Add trades to what has happened; return them."""
        self.happened = TradeBatch.concatenate(batch.product_id, [self.happened, batch])
        return batch

    async def trades(self, pair: Product, since_ns: int | None, count: int) -> TradesPage:
        """Answer as Kraken does: the oldest trades at or after a moment."""
        self.call_count += 1
        await self.before_answer()
        if self.failures > 0:
            self.failures -= 1
            raise TransientError("out of order")
        page = self._shown_since(since_ns or 0).select(slice(0, count))
        row_ns = page.timestamp_ms * NANOSECONDS_PER_MILLISECOND
        last_ns = int(row_ns[-1]) if len(page) > 0 else since_ns or 0
        await self.after_answer()
        return TradesPage(batch=page, row_ns=row_ns, last_ns=last_ns, rest_key=pair.rest_key)

    def _shown_since(self, since_ns: int) -> TradeBatch:
        trades = self.happened
        is_shown = trades.timestamp_ms * NANOSECONDS_PER_MILLISECOND >= since_ns
        is_shown &= ~np.isin(trades.trade_id, list(self.hidden_ids))
        if self.shown_until_ms is not None:
            is_shown &= trades.timestamp_ms <= self.shown_until_ms
        return trades.select(is_shown)


async def _at_once() -> None:
    return
