"""What is in the topic after kill -9 at any moment, and after a broker that was away."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from candlecast.embedded_broker import EmbeddedBroker
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record
from candlecast.testing.services import RunningService, running_service
from candlecast.testing.topics import read_all
from candlecast.testing.waiting import eventually
from kraken_simulator.testing import RunningSimulator, running_simulator
from trade_producer.testing.folding import FoldedStream

pytestmark = [pytest.mark.broker, pytest.mark.end_to_end]

RequireTruth = Callable[..., FoldedStream]

MINUTE_MS = 60_000
PREFIX = "candlecast_trade_producer"
PRODUCTS = ("BTC/USD", "QNT/USD")


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=PRODUCTS, speed=120.0) as running:
        yield running


def settings(simulator: RunningSimulator, address: str, topic: str) -> dict[str, str]:
    return {
        "KAFKA_BROKER_ADDRESS": address,
        "KAFKA_TOPIC": topic,
        "KAFKA_TOPIC_PARTITIONS": "2",
        "PRODUCT_IDS": ",".join(PRODUCTS),
        "MARKET_DATA_SOURCE": "simulator",
        "KRAKEN_REST_URL": simulator.rest_url,
        "KRAKEN_WEBSOCKET_URL": simulator.websocket_url,
        "KRAKEN_REST_CALLS_PER_SECOND": "100",
    }


def published(address: str, topic: str) -> list[TradesRecord]:
    return [decode_trades_record(message.value()) for message in read_all(address, topic)]


def watermark_ms(service: RunningService) -> float:
    """Return up to where both products are complete, as the process tells it."""
    return 1000 * min(
        service.metric(f"{PREFIX}_watermark_seconds", product_id=name) for name in PRODUCTS
    )


def wait_for_another_minute(service: RunningService, simulator: RunningSimulator) -> int:
    """Wait until the next minute is complete; return its end."""
    end_ms = (simulator.server_ms // MINUTE_MS + 1) * MINUTE_MS
    eventually(lambda: watermark_ms(service) >= end_ms, "another minute")
    return end_ms


def wait_for_moment(simulator: RunningSimulator, server_ms: int) -> None:
    eventually(lambda: simulator.server_ms > server_ms, "a moment")


def require_all(
    records: list[TradesRecord],
    simulator: RunningSimulator,
    require_truth: RequireTruth,
    end_ms: int,
) -> None:
    for product_id in PRODUCTS:
        own = [record for record in records if record.product_id == product_id]
        assert own[0].start is not None
        assert [record.start is not None for record in own].count(True) == 1
        start_ms = own[0].start.timestamp_ms
        stream = require_truth(simulator, own, product_id, start_ms=start_ms, end_ms=end_ms)
        assert stream.missing_count == 0


def test_kill_9_at_any_moment_loses_nothing(
    simulator: RunningSimulator,
    broker_address: str,
    topic_name: str,
    tmp_path: Path,
    require_truth: RequireTruth,
) -> None:
    simulator.set_faults(drop_message_probability=0.1)
    told = settings(simulator, broker_address, topic_name)
    moments = random.Random(7)
    with running_service("trade_producer", tmp_path, **told) as service:
        eventually(
            lambda: {r.product_id for r in published(broker_address, topic_name)} == set(PRODUCTS),
            "the first records",
        )
        service.kill()
    for _ in range(3):
        with running_service("trade_producer", tmp_path, **told) as service:
            service.wait_for_event(moments.choice(["products_found", "resumed"]))
            wait_for_moment(simulator, simulator.server_ms + moments.randrange(MINUTE_MS))
            service.kill()
    with running_service("trade_producer", tmp_path, **told) as service:
        end_ms = wait_for_another_minute(service, simulator)
        assert service.stop() == 0

    require_all(published(broker_address, topic_name), simulator, require_truth, end_ms)


def test_a_broker_that_goes_away_and_comes_back_loses_nothing(
    simulator: RunningSimulator, tmp_path: Path, topic_name: str, require_truth: RequireTruth
) -> None:
    with EmbeddedBroker(tmp_path / "broker", heap_megabytes=256) as first:
        address = first.address
        told = settings(simulator, address, topic_name)
        port = int(address.rpartition(":")[2])
        broker = EmbeddedBroker(tmp_path / "broker", port, heap_megabytes=256)
        with running_service("trade_producer", tmp_path, **told) as service:
            wait_for_another_minute(service, simulator)
            first.stop()
            eventually(
                lambda: service.metric(f"{PREFIX}_undelivered_records") > 20, "a queue of records"
            )
            with broker:
                eventually(
                    lambda: service.metric(f"{PREFIX}_undelivered_records") == 0, "its delivery"
                )
                end_ms = wait_for_another_minute(service, simulator)
                eventually(
                    lambda: published(address, topic_name)[-1].watermark_ms >= end_ms, "the rest"
                )
                assert service.get("/health/live")[0] == 200
                require_all(published(address, topic_name), simulator, require_truth, end_ms)
            # Gone again, and now the service is told to stop: it does not wait long for what waits.
            eventually(lambda: service.metric(f"{PREFIX}_undelivered_records") > 0, "a queue")
            assert service.stop() == 0
            assert service.events_named("records_not_delivered")[0]["count"] > 0
