"""One product, live: WebSocket brings trades, REST proves that none is missing.

REST is looked at when something could be missing: after a subscription, when ids jump, and when the
exchange's clock has passed the next moment of the grid although no trade did. A look proves that
nothing is missing up to the time the exchange had told before it, less the grace, provided that it
shows the last trade known then: a REST that lags behind WebSocket proves nothing.
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass

from loguru import logger

from candlecast.errors import InvalidMessageError, TransientError
from candlecast.kraken.trade_history import HistoryPage, TradesSource, pages_after
from candlecast.market.product import Product
from candlecast.market.time_grid import floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.backoff import backoff_delays
from trade_producer.completeness_report import CompletenessReport
from trade_producer.metrics import Metrics
from trade_producer.patience import LONGEST_PAUSE_SECONDS
from trade_producer.record_sink import RecordSink
from trade_producer.sequencer import Gap, TradeSequencer
from trade_producer.stream_start import since_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofTiming:
    """When proof is asked for, and what it is worth; see Settings for the meaning."""

    watermark_grace_ms: int
    completeness_check_ms: int


class ProductFeed:
    """Publishes the contiguous prefix of one product's trades and moves its watermark."""

    def __init__(
        self,
        product: Product,
        *,
        client: TradesSource,
        sink: RecordSink,
        timing: ProofTiming,
        metrics: Metrics,
        sequencer: TradeSequencer,
    ) -> None:
        self.product = product
        self._client = client
        self._sink = sink
        self._timing = timing
        self._metrics = metrics
        self._sequencer = sequencer
        self._report = CompletenessReport(sequencer, metrics)
        self._exchange_time_ms = 0
        self._published_since_tick = False
        # A start is like a subscription: what happened before has to be fetched.
        self._subscription = 1
        self._looked_after_subscription = 0
        self._wake = asyncio.Event()

    @property
    def is_caught_up(self) -> bool:
        """Whether REST has been read since the subscription, and nothing is known to be missing."""
        return not self._is_look_owed and self._sequencer.gap is None

    def on_subscribed(self) -> None:
        """Trades come from now on: what happened before has to be fetched."""
        self._subscription += 1
        self._wake.set()

    def on_trades(self, batch: TradeBatch, received_monotonic_seconds: float) -> None:
        """Publish what is contiguous; hold the rest and ask REST for what is missing.

        Raises:
            ConfigurationError: the exchange counts its trades anew.
        """
        self._metrics.trades_in.labels(self.product.product_id, "websocket").inc(len(batch))
        self._publish(self._sequencer.offer(batch), received_monotonic_seconds)
        if self._sequencer.gap is not None:
            self._wake.set()

    def on_exchange_time(self, exchange_time_ms: int) -> None:
        """Tick, and ask REST for proof once the next moment of the grid has passed."""
        self._exchange_time_ms = exchange_time_ms
        if not self._published_since_tick:
            self._publish([self._sequencer.tick()])
        self._published_since_tick = False
        if self._is_proof_due:
            self._wake.set()

    async def run(self) -> None:
        """Look at REST whenever that is due, for ever.

        Raises:
            InvariantError: the exchange contradicts itself.
            ConfigurationError: the exchange does not know the product any more.
        """
        pauses = backoff_delays(maximum_seconds=LONGEST_PAUSE_SECONDS)
        while True:
            if not self._is_look_due:
                self._wake.clear()
                await self._wake.wait()
            elif await self._look():
                pauses = backoff_delays(maximum_seconds=LONGEST_PAUSE_SECONDS)
            else:
                await asyncio.sleep(next(pauses))

    @property
    def _is_look_due(self) -> bool:
        return self._is_look_owed or self._sequencer.gap is not None or self._is_proof_due

    @property
    def _is_look_owed(self) -> bool:
        return self._looked_after_subscription < self._subscription

    @property
    def _is_proof_due(self) -> bool:
        provable_ms = self._exchange_time_ms - self._timing.watermark_grace_ms
        grid_ms = floor_to_window(provable_ms, self._timing.completeness_check_ms)
        return grid_ms > self._sequencer.watermark_ms

    async def _look(self) -> bool:
        """Publish what REST has after the cursor; False if it should be looked at again soon."""
        sequencer, subscription = self._sequencer, self._subscription
        asked_at_ms, known_id = self._exchange_time_ms, sequencer.last_trade_id
        try:
            newest_id = await self._read_after(known_id)
        except (TransientError, InvalidMessageError) as error:
            self._metrics.errors.labels("rest").inc()
            logger.warning("rest_failed", product_id=self.product.product_id, reason=str(error))
            return False
        self._looked_after_subscription = subscription
        if newest_id < known_id or sequencer.gap is not None:
            return False
        if sequencer.prove_until(asked_at_ms - self._timing.watermark_grace_ms):
            self._publish([sequencer.tick()])
        return True

    async def _read_after(self, known_id: int) -> int:
        """Publish what comes after a trade; return the newest id that REST shows, 0 if none.

        Raises:
            TransientError, InvalidMessageError: the exchange does not answer sensibly.
        """
        newest_id = 0
        pages = pages_after(
            self._client,
            self.product,
            # One less, so that REST has to show the known trade itself.
            last_trade_id=max(known_id - 1, 0),
            since_ns=since_ns(self._sequencer.last_timestamp_ms),
        )
        async with aclosing(pages):
            async for page in pages:
                if len(page.batch) > 0:
                    self._take_page(page)
                    newest_id = int(page.batch.trade_id[-1])
        return newest_id

    def _take_page(self, page: HistoryPage) -> None:
        self._metrics.trades_in.labels(self.product.product_id, "rest").inc(len(page.batch))
        if self._sequencer.last_trade_id == 0:
            self._publish(self._sequencer.skip_to(int(page.batch.trade_id[0])))
        self._publish(self._sequencer.offer(page.batch))
        for missing in page.missing_trade_ids:
            self._give_up(missing)

    def _give_up(self, missing: range) -> None:
        """Skip ids that REST, asked twice, does not have; WebSocket may have brought some."""
        while (gap := self._sequencer.gap) is not None and gap.first_id in missing:
            lost = Gap(gap.first_id, min(gap.end_id, missing.stop))
            self._report.lose(lost)
            self._publish(self._sequencer.skip_to(lost.end_id))

    def _publish(
        self, records: Iterable[TradesRecord], received_monotonic_seconds: float | None = None
    ) -> None:
        for record in records:
            self._sink.publish(record, received_monotonic_seconds=received_monotonic_seconds)
            self._published_since_tick = True
        self._report.update()
