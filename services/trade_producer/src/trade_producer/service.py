"""Wires trade_producer: the only place that builds its adapters."""

import asyncio
import os
import socket
import uuid
from collections.abc import Sequence

from loguru import logger

from candlecast.errors import ConfigurationError
from candlecast.kraken.rest import KrakenRestClient, RequestReport
from candlecast.market.product import Product, ProductCatalogue
from candlecast.messaging.pipeline_topics import trades_topic
from candlecast.messaging.topics import create_topics
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.monitoring import Heartbeat, Readiness
from candlecast.runtime.service import ServiceContext
from trade_producer.cursor import read_cursors
from trade_producer.daemon_thread import in_daemon_thread
from trade_producer.historical import HistoricalProducer
from trade_producer.live import CAUGHT_UP, CONNECTED, LiveProducer
from trade_producer.metrics import Metrics
from trade_producer.other_producers import OtherProducersWatch
from trade_producer.patience import until_answered
from trade_producer.publisher import TradePublisher
from trade_producer.settings import Settings

DELIVERING = "delivering"
_DELIVERY_PATIENCE_SECONDS = 10.0
_HOUSEKEEPING_SECONDS = 0.5
# A call is tried again inside the client for so long; then it is told of, and tried again.
_SILENT_RETRY_SECONDS = 5.0


def require_conditions(settings: Settings, readiness: Readiness) -> None:
    """Declare what has to hold before the service is ready, first of all: nothing does yet."""
    readiness.require(DELIVERING)
    if not settings.is_historical:
        readiness.require(CONNECTED, CAUGHT_UP)


async def produce_trades(settings: Settings, context: ServiceContext) -> None:
    """Publish the trades that the settings ask for; returns when a historical run is complete.

    Raises:
        ConfigurationError: an unknown product, or another exchange than the settings say.
        TransientError: Kafka refused a record; a restart goes on where this ended.
    """
    metrics = Metrics(context.registry)
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(_beat(context.heartbeat))
        async with KrakenRestClient(
            settings.kraken_rest_url,
            calls_per_second=settings.kraken_rest_calls_per_second,
            give_up_after_seconds=_SILENT_RETRY_SECONDS,
            on_request=lambda report: _count(report, metrics),
        ) as client:
            products = await _find_products(client, settings, metrics)
            cursors = await until_answered(
                lambda: in_daemon_thread(lambda: _prepare_topic(settings, products)),
                metrics,
                who="broker",
            )
            await _produce(settings, context, client, products, cursors, metrics)
        beating.cancel()


async def _produce(
    settings: Settings,
    context: ServiceContext,
    client: KrakenRestClient,
    products: Sequence[Product],
    cursors: dict[str, TradesRecord],
    metrics: Metrics,
) -> None:
    producer_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    publisher = TradePublisher(
        settings.client_config(),
        topic=settings.kafka_topic,
        producer_id=producer_id,
        market_data_source=settings.market_data_source,
        linger_ms=20 if settings.is_historical else 0,
        metrics=metrics,
    )
    watch = OtherProducersWatch(
        settings.client_config(),
        topic=settings.kafka_topic,
        product_ids=[product.product_id for product in products],
        producer_id=producer_id,
        metrics=metrics,
        readiness=context.readiness,
    )
    producer: HistoricalProducer | LiveProducer
    if settings.is_historical:
        producer = HistoricalProducer(settings, client=client, sink=publisher, metrics=metrics)
    else:
        producer = LiveProducer(
            settings, client=client, sink=publisher, metrics=metrics, readiness=context.readiness
        )
    with publisher, watch:
        async with asyncio.TaskGroup() as tasks:
            deliveries = tasks.create_task(_watch_deliveries(publisher, context.readiness))
            await producer.run(products, cursors)
            await publisher.wait_until_delivered()
            deliveries.cancel()


async def _find_products(
    client: KrakenRestClient, settings: Settings, metrics: Metrics
) -> list[Product]:
    catalogue = await until_answered(client.product_catalogue, metrics)
    answers = "simulator" if client.is_simulator else "kraken"
    if answers != settings.market_data_source:
        raise ConfigurationError(
            f"MARKET_DATA_SOURCE={settings.market_data_source}, but a {answers} answers at "
            f"KRAKEN_REST_URL={settings.kraken_rest_url}; simulated and real data are never mixed"
        )
    # A product named twice, in two of its ways, is one product.
    products = list(dict.fromkeys(_product(catalogue, name) for name in settings.product_ids))
    logger.info("products_found", product_ids=[product.product_id for product in products])
    return products


def _product(catalogue: ProductCatalogue, name: str) -> Product:
    try:
        return catalogue.product(name)
    except ConfigurationError as error:
        raise ConfigurationError(f"PRODUCT_IDS: {error}") from error


def _prepare_topic(settings: Settings, products: Sequence[Product]) -> dict[str, TradesRecord]:
    config, topic = settings.client_config(), settings.kafka_topic
    create_topics(config, [trades_topic(settings, topic, is_historical=settings.is_historical)])
    return read_cursors(
        config,
        topic,
        [product.product_id for product in products],
        market_data_source=settings.market_data_source,
    )


async def _beat(heartbeat: Heartbeat) -> None:
    """Say that the loop turns, whoever is waited for."""
    while True:
        heartbeat.beat()
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


async def _watch_deliveries(publisher: TradePublisher, readiness: Readiness) -> None:
    """Say whether records arrive, and end everything when one was refused."""
    while True:
        publisher.require_success()
        is_delivering = publisher.seconds_without_progress < _DELIVERY_PATIENCE_SECONDS
        readiness.set(DELIVERING, holds=is_delivering)
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


def _count(report: RequestReport, metrics: Metrics) -> None:
    metrics.rest_calls.labels(report.endpoint, report.outcome.value).inc()
