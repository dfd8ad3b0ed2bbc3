"""Records on their way to a real broker."""

import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import TransientError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.headers import header
from candlecast.messaging.topics import TopicSpecification, create_topics
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record
from candlecast.testing.topics import make_topic, read_all
from candlecast.testing.trades import make_batch
from candlecast.testing.waiting import eventually
from trade_producer.metrics import Metrics
from trade_producer.publisher import TradePublisher

NOW_MS = 1_790_000_000_000
NOBODY = "127.0.0.1:1"

Build = Callable[[str, str], TradePublisher]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def build(registry: CollectorRegistry) -> Build:
    """Build a publisher to (broker, topic)."""
    metrics = Metrics(registry)

    def build_publisher(address: str, topic: str) -> TradePublisher:
        return TradePublisher(
            # One record a request, so that none shares the fate of another by chance.
            {"bootstrap.servers": address, "batch.num.messages": 1},
            topic=topic,
            producer_id="me",
            market_data_source="simulator",
            linger_ms=0,
            metrics=metrics,
        )

    return build_publisher


def record(trade_id: int, *, trades: int = 1, product_id: str = "BTC/USD") -> TradesRecord:
    rows = [(NOW_MS, 100.0 + number) for number in range(trades)]
    batch = make_batch(*rows, first_id=trade_id, product_id=product_id)
    return TradesRecord(
        batch=batch if trades > 0 else TradeBatch.empty(product_id),
        last_trade_id=trade_id + trades - 1,
        last_timestamp_ms=NOW_MS,
        watermark_ms=NOW_MS,
    )


@pytest.mark.broker
def test_records_arrive_in_order_under_their_product_with_their_source(
    broker_address: str, topic_name: str, build: Build, registry: CollectorRegistry
) -> None:
    make_topic(broker_address, topic_name, partitions=3)
    with build(broker_address, topic_name) as publisher:
        for number in range(1, 201):
            publisher.publish(record(number, product_id="BTC/USD"))
            publisher.publish(record(number, product_id="ETH/USD"))

    messages = read_all(broker_address, topic_name)
    for product_id in ("BTC/USD", "ETH/USD"):
        own = [message for message in messages if message.key() == product_id.encode()]
        assert len({message.partition() for message in own}) == 1
        ids = [decode_trades_record(message.value()).last_trade_id for message in own]
        assert ids == list(range(1, 201))
    assert {header(m.headers(), "producer_id") for m in messages} == {"me"}
    assert {header(m.headers(), "market_data_source") for m in messages} == {"simulator"}
    assert registry.get_sample_value("candlecast_trade_producer_records_out_total") == 400
    assert registry.get_sample_value("candlecast_trade_producer_undelivered_records") == 0


@pytest.mark.broker
async def test_the_latency_reaches_from_the_socket_to_the_acknowledgement(
    broker_address: str, topic_name: str, build: Build, registry: CollectorRegistry
) -> None:
    make_topic(broker_address, topic_name)
    name = "candlecast_trade_producer_publish_latency_seconds"
    with build(broker_address, topic_name) as publisher:
        publisher.publish(record(1))
        await publisher.wait_until_delivered()
        publisher.publish(record(2), received_monotonic_seconds=time.monotonic() - 0.25)
        # Nobody asks the publisher for anything: the time it is asked at is no part of it.
        eventually(lambda: registry.get_sample_value(f"{name}_count") == 1, "the acknowledgement")

    assert 0.25 < (registry.get_sample_value(f"{name}_sum") or 0.0) < 0.45


@pytest.mark.broker
async def test_nothing_gets_into_the_topic_after_a_record_that_did_not(
    broker_address: str, topic_name: str, build: Build
) -> None:
    create_topics(
        {"bootstrap.servers": broker_address},
        [TopicSpecification(name=topic_name, partitions=1, config={"max.message.bytes": "3000"})],
    )
    with build(broker_address, topic_name) as publisher:
        publisher.publish(record(1))
        await publisher.wait_until_delivered()
        # All are on their way before the broker refuses the first: the cursor of a later one would
        # tell the next process that it has arrived.
        publisher.publish(record(2, trades=500))
        for number in range(502, 520):
            publisher.publish(record(number))
        with pytest.raises(TransientError, match="could not be delivered"):
            await publisher.wait_until_delivered()

    messages = read_all(broker_address, topic_name)
    assert [decode_trades_record(m.value()).last_trade_id for m in messages] == [1]


def test_a_full_queue_ends_the_process_instead_of_losing_a_record(build: Build) -> None:
    big = record(1, trades=20_000)

    def publish_on(publisher: TradePublisher) -> None:
        for _ in range(200):
            publisher.publish(big)

    with pytest.raises(TransientError, match="the queue is full"):
        publish_on(build(NOBODY, "trades"))


async def test_room_is_waited_for_as_long_as_the_broker_is_away(build: Build) -> None:
    publisher = build(NOBODY, "trades")
    for number in range(600):
        publisher.publish(record(number + 1, trades=0))

    for wait in (publisher.wait_for_room, publisher.wait_until_delivered):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await wait()
