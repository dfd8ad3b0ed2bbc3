"""Historical mode: a range of each product, page by page, then the end of the stream."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from loguru import logger

from candlecast.errors import TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.trade_history import NANOSECONDS_PER_MILLISECOND, HistoryPage, pages_after
from candlecast.market.product import Product
from candlecast.market.time_grid import DAY_MS, floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.service import ServiceContext
from trade_producer.metrics import Metrics
from trade_producer.product_feed import sequencer_from, start_record
from trade_producer.publisher import TradePublisher
from trade_producer.sequencer import TradeSequencer
from trade_producer.settings import Settings


class HistoricalProducer:
    """Publishes [start, end) of every product, each at its own pace, and ends."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: KrakenRestClient,
        publisher: TradePublisher,
        metrics: Metrics,
        context: ServiceContext,
    ) -> None:
        self._settings = settings
        self._client = client
        self._publisher = publisher
        self._metrics = metrics
        self._context = context

    async def run(self, products: Sequence[Product], cursors: Mapping[str, TradesRecord]) -> None:
        """Publish the range of all products; those whose end is published already are done."""
        start_ms, end_ms = await self._range()
        logger.info("backfill_started", start_ms=start_ms, end_ms=end_ms)
        async with asyncio.TaskGroup() as tasks:
            for product in products:
                cursor = cursors.get(product.product_id)
                if cursor is not None and cursor.end_of_stream:
                    self._metrics.backfill_progress.labels(product.product_id).set(1.0)
                    continue
                tasks.create_task(self._backfill(product, cursor, start_ms, end_ms))

    async def _range(self) -> tuple[int, int]:
        """Return the range in whole windows; it never reaches into trades still on their way."""
        settings = self._settings
        grid_ms = settings.completeness_check_ms
        settled_ms = await self._client.time() - settings.watermark_grace_ms
        end_ms = settled_ms
        if settings.historical_end_ms is not None:
            end_ms = min(settled_ms, settings.historical_end_ms)
        start_ms = settings.historical_start_ms
        if start_ms is None:
            start_ms = end_ms - round(settings.last_n_days * DAY_MS)
        return floor_to_window(start_ms, grid_ms), floor_to_window(end_ms, grid_ms)

    async def _backfill(
        self, product: Product, cursor: TradesRecord | None, start_ms: int, end_ms: int
    ) -> None:
        if cursor is None:
            cursor = await start_record(self._client, product, start_ms)
            self._publisher.publish(cursor)
        sequencer = sequencer_from(cursor)
        async for page in self._pages(product, sequencer):
            self._publish_page(page, sequencer, end_ms)
            done_ms = min(sequencer.watermark_ms, end_ms) - start_ms
            self._metrics.backfill_progress.labels(product.product_id).set(
                done_ms / max(end_ms - start_ms, 1)
            )
            if page.caught_up or sequencer.last_timestamp_ms >= end_ms:
                break
        self._publisher.publish(_end_record(sequencer, end_ms))
        self._metrics.backfill_progress.labels(product.product_id).set(1.0)
        logger.info(
            "backfill_complete",
            product_id=product.product_id,
            last_trade_id=sequencer.last_trade_id,
        )

    async def _pages(
        self, product: Product, sequencer: TradeSequencer
    ) -> AsyncIterator[HistoryPage]:
        """Yield the pages after the sequencer's cursor, starting again after failures."""
        delays = backoff_delays(maximum_seconds=60.0)
        while True:
            try:
                async for page in pages_after(
                    self._client,
                    product,
                    last_trade_id=sequencer.last_trade_id,
                    since_ns=sequencer.last_timestamp_ms * NANOSECONDS_PER_MILLISECOND,
                ):
                    yield page
            except TransientError as error:
                self._metrics.errors.labels("rest").inc()
                logger.warning("page_failed", product_id=product.product_id, reason=str(error))
                await asyncio.sleep(next(delays))
            else:
                return

    def _publish_page(self, page: HistoryPage, sequencer: TradeSequencer, end_ms: int) -> None:
        self._context.heartbeat.beat()
        product_id = sequencer.product_id
        self._metrics.trades_in.labels(product_id, "rest").inc(len(page.batch))
        if page.missing_count > 0:
            self._metrics.missing_trades.labels(product_id).inc(page.missing_count)
            logger.error("trades_missing", product_id=product_id, count=page.missing_count)
        batch = page.batch.select(page.batch.timestamp_ms < end_ms)
        released = [sequencer.offer(batch)]
        while sequencer.gap is not None:
            # Asked for twice by the pager: nobody has these trades.
            released.append(sequencer.skip_to(sequencer.gap.end_id))
        for ready in released:
            if len(ready) > 0:
                self._publisher.publish(
                    TradesRecord(
                        batch=ready,
                        last_trade_id=int(ready.trade_id[-1]),
                        last_timestamp_ms=int(ready.timestamp_ms[-1]),
                        watermark_ms=int(ready.timestamp_ms[-1]),
                    )
                )


def _end_record(sequencer: TradeSequencer, end_ms: int) -> TradesRecord:
    return TradesRecord(
        batch=TradeBatch.empty(sequencer.product_id),
        last_trade_id=sequencer.last_trade_id,
        last_timestamp_ms=sequencer.last_timestamp_ms,
        watermark_ms=end_ms,
        end_of_stream=True,
    )
