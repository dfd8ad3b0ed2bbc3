"""Live mode: several products on one connection, each with its own feed."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from loguru import logger

from candlecast.errors import ConfigurationError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.stream_protocol import (
    Connected,
    ServerTime,
    StatusChanged,
    StreamEvent,
    Subscribed,
    SubscriptionRejected,
    UnreadableMessage,
)
from candlecast.kraken.websocket import Disconnected, KrakenTradeStream, reconnecting_events
from candlecast.kraken.websocket_parser import TradeUpdate
from candlecast.market.product import Product
from candlecast.market.time_grid import MINUTE_MS, floor_to_window
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.monitoring import Readiness
from trade_producer.metrics import Metrics
from trade_producer.patience import until_answered
from trade_producer.product_feed import ProductFeed, ProofTiming
from trade_producer.record_sink import RecordSink
from trade_producer.sequencer import TradeSequencer
from trade_producer.settings import Settings
from trade_producer.stream_start import start_record

CONNECTED = "connected"
CAUGHT_UP = "caught_up"
_REPORT_SECONDS = 0.5


class LiveProducer:
    """Runs the feeds of all products until cancelled."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: KrakenRestClient,
        sink: RecordSink,
        metrics: Metrics,
        readiness: Readiness,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sink = sink
        self._metrics = metrics
        self._readiness = readiness
        self._feeds: dict[str, ProductFeed] = {}
        readiness.require(CONNECTED, CAUGHT_UP)

    async def run(self, products: Sequence[Product], cursors: Mapping[str, TradesRecord]) -> None:
        """Publish for ever.

        Args:
            products: what to publish.
            cursors: the last published record of each product that has one.

        Raises:
            ConfigurationError: the topic holds what cannot be gone on with.
        """
        now_ms = await until_answered(self._client.time, self._metrics)
        for cursor in cursors.values():
            self._require_live(cursor, now_ms)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_readiness(len(products)))
            for product in products:
                published = cursors.get(product.product_id)
                tasks.create_task(self._run_feed(product, published, now_ms))
            await self._follow(products)

    def _require_live(self, cursor: TradesRecord, now_ms: int) -> None:
        topic = self._settings.kafka_topic
        if cursor.end_of_stream:
            raise ConfigurationError(
                f"topic {topic} holds a historical run of {cursor.product_id}; "
                "live trades need a KAFKA_TOPIC of their own"
            )
        # A watermark stays behind the exchange's clock; a minute is far more than clocks differ.
        if cursor.watermark_ms > now_ms + MINUTE_MS:
            raise ConfigurationError(
                f"topic {topic} holds trades of {cursor.product_id} up to {cursor.watermark_ms} ms,"
                f" but the exchange's clock says {now_ms} ms: it is another exchange (or a "
                "simulator that was started again?); use another KAFKA_TOPIC"
            )

    async def _run_feed(self, product: Product, cursor: TradesRecord | None, now_ms: int) -> None:
        if cursor is None:
            cursor = await self._begin_stream(product, now_ms)
        else:
            logger.info(
                "resumed", product_id=product.product_id, last_trade_id=cursor.last_trade_id
            )
        feed = ProductFeed(
            product,
            client=self._client,
            sink=self._sink,
            timing=ProofTiming(
                watermark_grace_ms=self._settings.watermark_grace_ms,
                completeness_check_ms=self._settings.completeness_check_ms,
            ),
            metrics=self._metrics,
            sequencer=TradeSequencer.resume(cursor),
        )
        self._feeds[product.product_id] = feed
        await feed.run()

    async def _begin_stream(self, product: Product, now_ms: int) -> TradesRecord:
        """Start at the beginning of the running minute, so that its candle is complete."""
        start_ms = floor_to_window(now_ms, MINUTE_MS)
        record = await until_answered(
            lambda: start_record(self._client, product, start_ms), self._metrics
        )
        self._sink.publish(record)
        logger.info("stream_begun", product_id=product.product_id, start_ms=start_ms)
        return record

    async def _follow(self, products: Sequence[Product]) -> None:
        settings = self._settings
        events = reconnecting_events(
            lambda: KrakenTradeStream(
                settings.kraken_websocket_url,
                products,
                silence_timeout_seconds=settings.websocket_silence_seconds,
            )
        )
        async with aclosing(events):
            async for event in events:
                self._handle(event)

    def _handle(self, event: StreamEvent | Disconnected) -> None:
        match event:
            case TradeUpdate():
                self._on_trades(event)
            case ServerTime():
                self._on_server_time(event)
            case Subscribed():
                feed = self._feeds.get(event.product_id)
                if feed is not None:  # one that starts later reads REST after this anyway
                    feed.on_subscribed()
            case Connected():
                self._metrics.connections.inc()
                self._readiness.set(CONNECTED, holds=True)
                logger.info("websocket_connected", url=self._settings.kraken_websocket_url)
            case Disconnected():
                self._on_disconnected(event)
            case SubscriptionRejected():
                raise event.error
            case StatusChanged():
                logger.info("exchange_status", system=event.system)
            case UnreadableMessage():
                self._metrics.errors.labels("unreadable_message").inc()
                logger.warning("unreadable_message", reason=str(event.error))

    def _on_trades(self, update: TradeUpdate) -> None:
        for batch in update.batches:
            feed = self._feeds.get(batch.product_id)
            if feed is not None:
                feed.on_trades(batch, update.received_monotonic_seconds)

    def _on_server_time(self, event: ServerTime) -> None:
        self._metrics.exchange_time_seconds.set(event.server_time_ms / 1000)
        for feed in self._feeds.values():
            feed.on_exchange_time(event.server_time_ms)

    def _on_disconnected(self, event: Disconnected) -> None:
        reason = "lost" if event.was_connected else "refused"
        self._metrics.disconnections.labels(reason).inc()
        self._readiness.set(CONNECTED, holds=False)
        logger.warning(
            "websocket_lost", reason=event.reason, retry_seconds=round(event.retry_in_seconds, 1)
        )

    async def _report_readiness(self, product_count: int) -> None:
        while True:
            caught_up = [feed for feed in self._feeds.values() if feed.is_caught_up]
            self._readiness.set(CAUGHT_UP, holds=len(caught_up) == product_count)
            await asyncio.sleep(_REPORT_SECONDS)
