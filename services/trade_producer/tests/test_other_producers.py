"""Somebody else who publishes the same products is noticed, and forgotten when gone."""

import pytest
from prometheus_client import CollectorRegistry

from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.monitoring import Readiness
from candlecast.testing.topics import make_topic, publish_trades
from candlecast.testing.trades import make_batch
from candlecast.testing.waiting import eventually
from trade_producer.metrics import Metrics
from trade_producer.other_producers import OtherProducersWatch

GAUGE = "candlecast_trade_producer_other_producers"


def record(product_id: str) -> TradesRecord:
    return TradesRecord(
        batch=make_batch((1_790_000_000_000, 1.0), product_id=product_id),
        last_trade_id=1,
        last_timestamp_ms=1_790_000_000_000,
        watermark_ms=1_790_000_000_000,
    )


@pytest.mark.broker
def test_another_producer_is_told_of_for_as_long_as_it_writes(
    broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name, partitions=2)
    readiness, registry = Readiness(), CollectorRegistry()

    def others(product_id: str) -> float | None:
        return registry.get_sample_value(GAUGE, {"product_id": product_id})

    def writes(writer: bytes, product_id: str) -> None:
        headers = [("producer_id", writer)]
        publish_trades(broker_address, topic_name, [record(product_id)], headers=headers)

    def is_noticed() -> bool:
        for _ in range(2):
            writes(b"somebody", "BTC/USD")
            writes(b"me", "ETH/USD")
            writes(b"somebody", "XRP/USD")
        return others("BTC/USD") == 1

    watch = OtherProducersWatch(
        {"bootstrap.servers": broker_address},
        topic=topic_name,
        product_ids=["BTC/USD", "ETH/USD"],
        producer_id="me",
        metrics=Metrics(registry),
        readiness=readiness,
        forget_after_seconds=1.0,
    )
    with watch:
        eventually(is_noticed, "the other producer")
        assert readiness.degraded == {"other_producers": "another process publishes BTC/USD"}
        assert readiness.is_ready
        assert (others("ETH/USD"), others("XRP/USD")) == (0, None)

        eventually(lambda: others("BTC/USD") == 0, "its end")
        assert readiness.degraded == {}


def test_a_broker_that_is_away_neither_stops_the_watch_nor_is_waited_for() -> None:
    watch = OtherProducersWatch(
        {"bootstrap.servers": "127.0.0.1:1"},
        topic="trades",
        product_ids=["BTC/USD"],
        producer_id="me",
        metrics=Metrics(CollectorRegistry()),
        readiness=Readiness(),
    )
    with watch:
        pass
