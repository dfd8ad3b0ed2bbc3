"""Live mode: several products on one connection, each with its own feed."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from loguru import logger

from candlecast.errors import TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.stream_protocol import (
    Connected,
    ServerTime,
    StatusChanged,
    StreamEvent,
    SubscriptionRejected,
    UnreadableMessage,
)
from candlecast.kraken.websocket import Disconnected, KrakenTradeStream, reconnecting_events
from candlecast.kraken.websocket_parser import TradeUpdate
from candlecast.market.product import Product
from candlecast.market.time_grid import floor_to_window
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.service import ServiceContext
from trade_producer.metrics import Metrics
from trade_producer.product_feed import FeedTiming, ProductFeed, sequencer_from, start_record
from trade_producer.publisher import TradePublisher
from trade_producer.settings import Settings

CONNECTED = "connected"
CAUGHT_UP = "caught_up"
DELIVERING = "delivering"
_DELIVERY_PATIENCE_SECONDS = 10.0
_HOUSEKEEPING_SECONDS = 0.5


class LiveProducer:
    """Runs the feeds of all products until cancelled."""

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
        self._feeds: dict[str, ProductFeed] = {}
        context.readiness.require(CONNECTED, CAUGHT_UP, DELIVERING)

    async def run(self, products: Sequence[Product], cursors: Mapping[str, TradesRecord]) -> None:
        """Publish for ever.

        Args:
            products: what to publish.
            cursors: the last published record of each product that has one.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_house())
            feeds = [
                tasks.create_task(self._start_feed(product, cursors.get(product.product_id)))
                for product in products
            ]
            for task in feeds:
                feed = await task
                self._feeds[feed.product.product_id] = feed
                tasks.create_task(feed.run())
            await self._follow(products)

    async def _start_feed(self, product: Product, cursor: TradesRecord | None) -> ProductFeed:
        if cursor is None:
            cursor = await self._begin_stream(product)
        else:
            logger.info(
                "resumed", product_id=product.product_id, last_trade_id=cursor.last_trade_id
            )
        return ProductFeed(
            product,
            client=self._client,
            publish=lambda record, received: self._publisher.publish(
                record, received_monotonic_seconds=received
            ),
            timing=FeedTiming(
                watermark_grace_ms=self._settings.watermark_grace_ms,
                completeness_check_ms=self._settings.completeness_check_ms,
                gap_patience_seconds=self._settings.gap_patience_seconds,
            ),
            metrics=self._metrics,
            sequencer=sequencer_from(cursor),
        )

    async def _begin_stream(self, product: Product) -> TradesRecord:
        """Start at the beginning of the running minute, so that its candle is complete."""
        for delay_seconds in backoff_delays():
            try:
                start_ms = floor_to_window(
                    await self._client.time(), self._settings.completeness_check_ms
                )
                record = await start_record(self._client, product, start_ms)
            except TransientError as error:
                self._metrics.errors.labels("rest").inc()
                logger.warning("exchange_unreachable", reason=str(error))
                await asyncio.sleep(delay_seconds)
            else:
                self._publisher.publish(record)
                logger.info("stream_begun", product_id=product.product_id, start_ms=start_ms)
                return record
        raise AssertionError("backoff_delays never ends")

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
                self._metrics.exchange_time_seconds.set(event.server_time_ms / 1000)
                for feed in self._feeds.values():
                    feed.on_exchange_time(event.server_time_ms)
            case Connected():
                self._on_connected()
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

    def _on_connected(self) -> None:
        self._metrics.connections.inc()
        self._context.readiness.set(CONNECTED, holds=True)
        logger.info("websocket_connected", url=self._settings.kraken_websocket_url)
        for feed in self._feeds.values():
            feed.on_connected()

    def _on_disconnected(self, event: Disconnected) -> None:
        reason = "lost" if event.was_connected else "refused"
        self._metrics.disconnections.labels(reason).inc()
        self._context.readiness.set(CONNECTED, holds=False)
        logger.warning("websocket_lost", reason=event.reason, retry_seconds=event.retry_in_seconds)

    async def _keep_house(self) -> None:
        """Collect delivery reports and say how the service is, also when the market is quiet."""
        while True:
            self._context.heartbeat.beat()
            self._publisher.serve_deliveries()
            is_delivering = self._publisher.seconds_without_progress < _DELIVERY_PATIENCE_SECONDS
            waiting = [name for name, feed in self._feeds.items() if feed.is_waiting_for_trades]
            self._context.readiness.set(DELIVERING, holds=is_delivering)
            self._context.readiness.set(CAUGHT_UP, holds=bool(self._feeds) and not waiting)
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
