"""One product, live: WebSocket brings trades, REST proves that none is missing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from candlecast.errors import InvalidMessageError, TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.trade_history import (
    NANOSECONDS_PER_MILLISECOND,
    HistoryPage,
    last_trade_before,
    pages_after,
)
from candlecast.market.product import Product
from candlecast.market.time_grid import floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import StreamStart, TradesRecord
from candlecast.runtime.backoff import backoff_delays
from trade_producer.metrics import Metrics
from trade_producer.sequencer import Gap, TradeSequencer

Publish = Callable[[TradesRecord, float | None], None]
"""Takes a record, and the monotonic seconds when its trades arrived (None: not from a socket)."""

_LAG_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How patient a feed is; see Settings for the meaning."""

    watermark_grace_ms: int
    completeness_check_ms: int
    gap_patience_seconds: float


class ProductFeed:
    """Publishes the contiguous prefix of one product's trades and moves its watermark."""

    def __init__(
        self,
        product: Product,
        *,
        client: KrakenRestClient,
        publish: Publish,
        timing: FeedTiming,
        metrics: Metrics,
        sequencer: TradeSequencer,
    ) -> None:
        self.product = product
        self._client = client
        self._publish = publish
        self._timing = timing
        self._metrics = metrics
        self._sequencer = sequencer
        self._exchange_time_ms = 0
        self._published_since_tick = False
        self._catch_up_wanted = asyncio.Event()
        self._last_gap: Gap | None = None

    @property
    def is_waiting_for_trades(self) -> bool:
        """Whether trades are known to be missing at the moment."""
        return self._sequencer.gap is not None

    def on_connected(self) -> None:
        """A connection is up: what was traded without one has to be fetched."""
        self._catch_up_wanted.set()

    def on_trades(self, batch: TradeBatch, received_monotonic_seconds: float) -> None:
        """Publish what is contiguous; hold the rest and ask REST for what is missing."""
        self._metrics.trades_in.labels(batch.product_id, "websocket").inc(len(batch))
        self._publish_trades(self._sequencer.offer(batch), received_monotonic_seconds)
        self._watch_gap()

    def on_exchange_time(self, exchange_time_ms: int) -> None:
        """Tick, and ask REST for proof once the next moment of the grid has passed."""
        self._exchange_time_ms = exchange_time_ms
        provable_ms = exchange_time_ms - self._timing.watermark_grace_ms
        grid_ms = floor_to_window(provable_ms, self._timing.completeness_check_ms)
        if grid_ms > self._sequencer.watermark_ms:
            self._catch_up_wanted.set()
        if not self._published_since_tick:
            self._publish_tick()
        self._published_since_tick = False

    async def run(self) -> None:
        """Catch up by REST whenever that is wanted, for ever."""
        while True:
            await self._catch_up_wanted.wait()
            self._catch_up_wanted.clear()
            await self._catch_up_patiently()

    async def _catch_up_patiently(self) -> None:
        """Catch up, whatever it takes; a gap that REST cannot fill is given up after a while."""
        first_attempt_seconds = time.monotonic()
        delays = backoff_delays(maximum_seconds=15.0)
        while True:
            try:
                await self._catch_up()
            except (TransientError, InvalidMessageError) as error:
                self._metrics.errors.labels("rest").inc()
                logger.warning(
                    "catch_up_failed", product_id=self.product.product_id, reason=str(error)
                )
                await asyncio.sleep(next(delays))
                continue
            gap = self._sequencer.gap
            if gap is None:
                return
            if time.monotonic() - first_attempt_seconds > self._timing.gap_patience_seconds:
                self._give_up(gap)
                return
            # WebSocket is ahead of REST; it will follow.
            await asyncio.sleep(_LAG_RETRY_SECONDS)

    async def _catch_up(self) -> None:
        """Publish what REST has after the cursor; that proves everything up to when it was asked.

        Raises:
            TransientError, InvalidMessageError: the exchange did not answer sensibly.
        """
        sequencer = self._sequencer
        asked_at_ms = self._exchange_time_ms
        pages = pages_after(
            self._client,
            self.product,
            last_trade_id=sequencer.last_trade_id,
            since_ns=sequencer.last_timestamp_ms * NANOSECONDS_PER_MILLISECOND,
        )
        async for page in pages:
            self._take_page(page)
        if sequencer.prove_until(asked_at_ms - self._timing.watermark_grace_ms):
            self._publish_tick()

    def _take_page(self, page: HistoryPage) -> None:
        self._metrics.trades_in.labels(self.product.product_id, "rest").inc(len(page.batch))
        self._publish_trades(self._sequencer.offer(page.batch), None)
        for missing in page.missing_trade_ids:
            gap = self._sequencer.gap
            # WebSocket may have brought meanwhile what REST did not have.
            if gap is not None and missing.start <= gap.first_id < missing.stop:
                self._give_up(Gap(gap.first_id, min(gap.end_id, missing.stop)))
        self._watch_gap()

    def _give_up(self, gap: Gap) -> None:
        logger.error(
            "trades_missing",
            product_id=self.product.product_id,
            first_id=gap.first_id,
            count=len(gap),
        )
        self._metrics.missing_trades.labels(self.product.product_id).inc(len(gap))
        self._publish_trades(self._sequencer.skip_to(gap.end_id), None)

    def _watch_gap(self) -> None:
        product_id, gap = self.product.product_id, self._sequencer.gap
        self._metrics.held_trades.labels(product_id).set(self._sequencer.held_count)
        if gap is not None and self._last_gap is None:
            self._metrics.gaps_found.labels(product_id).inc()
            self._catch_up_wanted.set()
            logger.info("gap_found", product_id=product_id, first_id=gap.first_id, count=len(gap))
        elif gap is None and self._last_gap is not None:
            self._metrics.gaps_filled.labels(product_id).inc()
            logger.info("gap_filled", product_id=product_id, first_id=self._last_gap.first_id)
        self._last_gap = gap

    def _publish_trades(self, batch: TradeBatch, received_monotonic_seconds: float | None) -> None:
        if len(batch) > 0:
            self._publish(self._record(batch), received_monotonic_seconds)
            self._published_since_tick = True

    def _publish_tick(self) -> None:
        self._publish(self._record(TradeBatch.empty(self.product.product_id)), None)

    def _record(self, batch: TradeBatch) -> TradesRecord:
        sequencer = self._sequencer
        return TradesRecord(
            batch=batch,
            last_trade_id=sequencer.last_trade_id,
            last_timestamp_ms=sequencer.last_timestamp_ms,
            watermark_ms=sequencer.watermark_ms,
        )


async def start_record(client: KrakenRestClient, product: Product, start_ms: int) -> TradesRecord:
    """Return the first record of a stream that starts at `start_ms`: no trades, but the cursor.

    Raises:
        TransientError: the exchange does not answer.
    """
    seed = await last_trade_before(client, product, start_ms)
    return TradesRecord(
        batch=TradeBatch.empty(product.product_id),
        last_trade_id=0 if seed is None else seed.trade_id,
        last_timestamp_ms=start_ms if seed is None else seed.timestamp_ms,
        watermark_ms=start_ms,
        start=StreamStart(
            timestamp_ms=start_ms, previous_close=None if seed is None else seed.price
        ),
    )


def sequencer_from(cursor: TradesRecord) -> TradeSequencer:
    """Return a sequencer that goes on after a published record."""
    return TradeSequencer(
        cursor.product_id,
        last_trade_id=cursor.last_trade_id,
        last_timestamp_ms=cursor.last_timestamp_ms,
        watermark_ms=cursor.watermark_ms,
    )
