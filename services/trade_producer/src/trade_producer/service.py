"""Wires trade_producer: the only place that builds its adapters."""

import os
import socket
import uuid

from loguru import logger

from candlecast.errors import ConfigurationError
from candlecast.kraken.rest import KrakenRestClient, RequestReport
from candlecast.market.product import Product
from candlecast.messaging.pipeline_topics import trades_topic
from candlecast.messaging.topics import create_topics
from candlecast.runtime.service import ServiceContext
from trade_producer.cursor import read_cursors
from trade_producer.historical import HistoricalProducer
from trade_producer.live import LiveProducer
from trade_producer.metrics import Metrics
from trade_producer.other_producers import OtherProducersWatch
from trade_producer.publisher import TradePublisher
from trade_producer.settings import Settings


async def produce_trades(settings: Settings, context: ServiceContext) -> None:
    """Publish the trades that the settings ask for; returns when a historical run is complete.

    Raises:
        ConfigurationError: an unknown product, or another exchange than the settings say.
        TransientError: something was away for too long; a restart goes on where this ended.
    """
    metrics = Metrics(context.registry)
    config = settings.client_config()
    create_topics(
        config, [trades_topic(settings, settings.kafka_topic, is_historical=settings.is_historical)]
    )
    publisher = TradePublisher(
        config,
        topic=settings.kafka_topic,
        producer_id=(producer_id := _new_producer_id()),
        market_data_source=settings.market_data_source,
        linger_ms=20 if settings.is_historical else 0,
        metrics=metrics,
        on_wait=context.heartbeat.beat,
    )

    def count(report: RequestReport) -> None:
        context.heartbeat.beat()
        metrics.rest_calls.labels(report.endpoint, report.outcome.value).inc()

    async with KrakenRestClient(
        settings.kraken_rest_url,
        calls_per_second=settings.kraken_rest_calls_per_second,
        on_request=count,
    ) as client:
        products = await _find_products(client, settings)
        cursors = read_cursors(
            config,
            settings.kafka_topic,
            [product.product_id for product in products],
            market_data_source=settings.market_data_source,
        )
        mode = HistoricalProducer if settings.is_historical else LiveProducer
        producer = mode(
            settings, client=client, publisher=publisher, metrics=metrics, context=context
        )
        watch = OtherProducersWatch(
            config,
            topic=settings.kafka_topic,
            product_ids=[product.product_id for product in products],
            producer_id=producer_id,
            metrics=metrics,
            readiness=context.readiness,
        )
        try:
            with watch:
                await producer.run(products, cursors)
        finally:
            publisher.flush()


async def _find_products(client: KrakenRestClient, settings: Settings) -> list[Product]:
    catalogue = await client.product_catalogue()
    answers = "simulator" if client.is_simulator else "kraken"
    if answers != settings.market_data_source:
        raise ConfigurationError(
            f"MARKET_DATA_SOURCE={settings.market_data_source}, but a {answers} answers at "
            f"KRAKEN_REST_URL={settings.kraken_rest_url}; simulated and real data are never mixed"
        )
    products = [catalogue.product(name) for name in settings.product_ids]
    logger.info("products_found", product_ids=[product.product_id for product in products])
    return products


def _new_producer_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
