"""Historical mode: a range of each product, page by page, then the end of the stream."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from loguru import logger

from candlecast.errors import ConfigurationError, InvalidMessageError, TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.trade_history import HistoryPage, pages_after
from candlecast.market.product import Product
from candlecast.market.time_grid import DAY_MS, MINUTE_MS, floor_to_window
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.backoff import backoff_delays
from trade_producer.completeness_report import CompletenessReport
from trade_producer.metrics import Metrics
from trade_producer.patience import LONGEST_PAUSE_SECONDS, until_answered
from trade_producer.record_sink import RecordSink
from trade_producer.sequencer import Gap, TradeSequencer
from trade_producer.settings import Settings
from trade_producer.stream_start import since_ns, start_record


class HistoricalProducer:
    """Publishes [start, end) of every product, each at its own pace, and ends."""

    def __init__(
        self, settings: Settings, *, client: KrakenRestClient, sink: RecordSink, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._client = client
        self._sink = sink
        self._metrics = metrics

    async def run(self, products: Sequence[Product], cursors: Mapping[str, TradesRecord]) -> None:
        """Publish the range of all products; those whose end is published already are done.

        Raises:
            ConfigurationError: the range is empty.
        """
        unfinished = []
        for product in products:
            cursor = cursors.get(product.product_id)
            if cursor is not None and cursor.end_of_stream:
                self._tell_complete(cursor)
            else:
                unfinished.append((product, cursor))
        if not unfinished:
            return
        start_ms, end_ms = await self._range()
        logger.info("backfill_started", start_ms=start_ms, end_ms=end_ms)
        async with asyncio.TaskGroup() as tasks:
            for product, cursor in unfinished:
                backfill = _Backfill(
                    product,
                    start_ms=start_ms,
                    end_ms=end_ms,
                    client=self._client,
                    sink=self._sink,
                    metrics=self._metrics,
                )
                tasks.create_task(backfill.run(cursor))

    def _tell_complete(self, end: TradesRecord) -> None:
        self._metrics.backfill_progress.labels(end.product_id).set(1.0)
        logger.info("backfill_complete_already", product_id=end.product_id, end_ms=end.watermark_ms)

    async def _range(self) -> tuple[int, int]:
        """Return the range in whole minutes; it never reaches into trades still on their way."""
        settings = self._settings
        now_ms = await until_answered(self._client.time, self._metrics)
        end_ms = now_ms - settings.watermark_grace_ms
        if settings.historical_end_ms is not None:
            end_ms = min(end_ms, settings.historical_end_ms)
        end_ms = floor_to_window(end_ms, MINUTE_MS)
        start_ms = settings.historical_start_ms
        if start_ms is None:
            start_ms = max(0, end_ms - round(settings.last_n_days * DAY_MS))
        start_ms = floor_to_window(start_ms, MINUTE_MS)
        if start_ms >= end_ms:
            raise ConfigurationError(
                f"the range from {start_ms} to {end_ms} ms is empty: LAST_N_DAYS, "
                f"HISTORICAL_START_MS and HISTORICAL_END_MS have to leave whole minutes before the "
                f"exchange's clock ({now_ms} ms)"
            )
        return start_ms, end_ms


class _Backfill:
    """One product's way through the range."""

    def __init__(
        self,
        product: Product,
        *,
        start_ms: int,
        end_ms: int,
        client: KrakenRestClient,
        sink: RecordSink,
        metrics: Metrics,
    ) -> None:
        self._product = product
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._client = client
        self._sink = sink
        self._metrics = metrics

    async def run(self, cursor: TradesRecord | None) -> None:
        """Publish from the cursor, or from the start, up to the end."""
        if cursor is None:
            cursor = await until_answered(
                lambda: start_record(self._client, self._product, self._start_ms), self._metrics
            )
            self._sink.publish(cursor)
        sequencer = TradeSequencer.resume(cursor)
        report = CompletenessReport(sequencer, self._metrics)
        async with aclosing(self._pages(sequencer)) as pages:
            async for page in pages:
                await self._sink.wait_for_room()
                self._publish_page(page, sequencer, report)
                self._tell_progress(sequencer.watermark_ms)
                if bool((page.batch.timestamp_ms >= self._end_ms).any()):
                    break
        self._sink.publish(sequencer.end(self._end_ms))
        self._tell_progress(self._end_ms)
        logger.info(
            "backfill_complete",
            product_id=self._product.product_id,
            last_trade_id=sequencer.last_trade_id,
        )

    async def _pages(self, sequencer: TradeSequencer) -> AsyncGenerator[HistoryPage, None]:
        """Yield the pages after the sequencer's cursor, starting again after failures."""
        pauses = backoff_delays(maximum_seconds=LONGEST_PAUSE_SECONDS)
        while True:
            pages = pages_after(
                self._client,
                self._product,
                last_trade_id=sequencer.last_trade_id,
                since_ns=since_ns(sequencer.last_timestamp_ms),
            )
            try:
                async with aclosing(pages):
                    async for page in pages:
                        yield page
                        pauses = backoff_delays(maximum_seconds=LONGEST_PAUSE_SECONDS)
            except (TransientError, InvalidMessageError) as error:
                self._metrics.errors.labels("rest").inc()
                logger.warning(
                    "rest_failed", product_id=self._product.product_id, reason=str(error)
                )
                await asyncio.sleep(next(pauses))
            else:
                return

    def _publish_page(
        self, page: HistoryPage, sequencer: TradeSequencer, report: CompletenessReport
    ) -> None:
        self._metrics.trades_in.labels(sequencer.product_id, "rest").inc(len(page.batch))
        batch = page.batch.select(page.batch.timestamp_ms < self._end_ms)
        if len(batch) == 0:
            return
        if sequencer.last_trade_id == 0:
            sequencer.skip_to(int(batch.trade_id[0]))
        records = sequencer.offer(batch)
        report.update()
        for ids in page.missing_trade_ids:
            if ids.start < int(batch.trade_id[-1]):
                report.lose(Gap(ids.start, ids.stop))
        while (gap := sequencer.gap) is not None:
            records += sequencer.skip_to(gap.end_id)
        report.update()
        for record in records:
            self._sink.publish(record)

    def _tell_progress(self, done_ms: int) -> None:
        share = (done_ms - self._start_ms) / (self._end_ms - self._start_ms)
        progress = self._metrics.backfill_progress.labels(self._product.product_id)
        progress.set(min(max(share, 0.0), 1.0))
