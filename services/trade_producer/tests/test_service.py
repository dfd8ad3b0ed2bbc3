"""The service as a process: a real broker, the simulator, signals and exit codes."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from candlecast.messaging.topics import TopicSpecification, create_topics
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record
from candlecast.testing.services import RunningService, running_service
from candlecast.testing.topics import make_topic, publish_trades, read_all
from candlecast.testing.trades import make_batch
from candlecast.testing.waiting import eventually
from kraken_simulator.testing import RunningSimulator, running_simulator
from trade_producer.testing.folding import FoldedStream, require_sound

pytestmark = [pytest.mark.broker, pytest.mark.end_to_end]

RequireTruth = Callable[..., FoldedStream]
Start = Callable[..., AbstractContextManager[RunningService]]

MINUTE_MS = 60_000
NOWHERE = "127.0.0.1:1"
PREFIX = "candlecast_trade_producer"


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=("BTC/USD", "ETH/USD", "QNT/USD"), speed=120.0) as running:
        yield running


@pytest.fixture
def start(
    simulator: RunningSimulator, broker_address: str, topic_name: str, tmp_path: Path
) -> Start:
    """Start the service on the broker and the simulator; settings say what else it is told."""

    def start_service(**settings: str) -> AbstractContextManager[RunningService]:
        given = {
            "KAFKA_BROKER_ADDRESS": broker_address,
            "KAFKA_TOPIC": topic_name,
            "KAFKA_TOPIC_PARTITIONS": "2",
            "PRODUCT_IDS": "BTC/USD, QNT/USD",
            "MARKET_DATA_SOURCE": "simulator",
            "KRAKEN_REST_URL": simulator.rest_url,
            "KRAKEN_WEBSOCKET_URL": simulator.websocket_url,
            "KRAKEN_REST_CALLS_PER_SECOND": "100",
            **settings,
        }
        return running_service("trade_producer", tmp_path, **given)

    return start_service


def published(address: str, topic: str) -> list[TradesRecord]:
    return [decode_trades_record(message.value()) for message in read_all(address, topic)]


def refusal(service: RunningService) -> str:
    """Wait for the end that a wrong setting brings; return the one line that says why."""
    assert service.wait() == 78
    assert service.other_lines == []
    [line] = service.events_named("configuration_error")
    return str(line["reason"])


def require_ready_but_degraded(service: RunningService) -> None:
    def remark() -> str | None:
        status, page = service.get("/health/ready")
        told: dict[str, str] = json.loads(page)["degraded"]
        return told.get("other_producers") if status == 200 else None

    assert "BTC/USD" in str(eventually(remark, "ready, and a remark on the other producer"))


def test_sigterm_ends_a_live_run_with_everything_delivered(
    start: Start,
    simulator: RunningSimulator,
    broker_address: str,
    topic_name: str,
    require_truth: RequireTruth,
) -> None:
    with start() as service:
        service.wait_until_ready()
        now_ms = simulator.server_ms
        eventually(
            lambda: (
                min(
                    service.metric(f"{PREFIX}_watermark_seconds", product_id=name)
                    for name in ("BTC/USD", "QNT/USD")
                )
                * 1000
                > now_ms + 2 * MINUTE_MS
            ),
            "two more minutes",
        )
        out = service.metric(f"{PREFIX}_records_out_total")
        assert service.stop() == 0

    assert service.other_lines == []
    records = published(broker_address, topic_name)
    assert len(records) >= out
    for product_id in ("BTC/USD", "QNT/USD"):
        own = [record for record in records if record.product_id == product_id]
        require_sound(own)
        assert own[0].start is not None
        end_ms = own[-1].watermark_ms // MINUTE_MS * MINUTE_MS
        start_ms = own[0].start.timestamp_ms
        require_truth(simulator, own, product_id, start_ms=start_ms, end_ms=end_ms)


def test_a_historical_run_ends_by_itself_and_a_second_one_at_once(
    start: Start,
    simulator: RunningSimulator,
    broker_address: str,
    topic_name: str,
    require_truth: RequireTruth,
) -> None:
    end_ms = (simulator.server_ms // MINUTE_MS - 5) * MINUTE_MS
    settings = {
        "LIVE_OR_HISTORICAL": "historical",
        "HISTORICAL_START_MS": str(end_ms - 60 * MINUTE_MS),
        "HISTORICAL_END_MS": str(end_ms),
        "PRODUCT_IDS": '["BTC/USD", "XETHZUSD", "QNT/USD"]',
    }
    with start(**settings) as service:
        service.wait_for_event("backfill_started")
        service.kill()
    with start(**settings) as service:
        assert service.wait() == 0
        assert len(service.events_named("backfill_complete")) >= 1

    records = published(broker_address, topic_name)
    for product_id in ("BTC/USD", "ETH/USD", "QNT/USD"):
        own = [record for record in records if record.product_id == product_id]
        assert [record.end_of_stream for record in own].count(True) == 1
        require_truth(simulator, own, product_id, start_ms=end_ms - 60 * MINUTE_MS, end_ms=end_ms)

    with start(**settings) as service:
        assert service.wait() == 0
    assert len(service.events_named("backfill_complete_already")) == 3
    assert len(published(broker_address, topic_name)) == len(records)


def test_a_second_producer_is_a_visible_state_and_loses_nothing(
    start: Start,
    simulator: RunningSimulator,
    broker_address: str,
    topic_name: str,
    require_truth: RequireTruth,
) -> None:
    with start(PRODUCT_IDS="BTC/USD") as first:
        first.wait_until_ready()
        assert json.loads(first.get("/health/ready")[1])["degraded"] == {}
        with start(PRODUCT_IDS="BTC/USD") as second:
            for service in (first, second):
                service.wait_for_event("other_producer_seen")
                require_ready_but_degraded(service)
                assert service.metric(f"{PREFIX}_other_producers", product_id="BTC/USD") == 1
            first.kill()
            reached_ms = simulator.server_ms + MINUTE_MS
            eventually(
                lambda: published(broker_address, topic_name)[-1].watermark_ms > reached_ms,
                "the second one to go on alone",
            )
            assert second.stop() == 0

    records = published(broker_address, topic_name)
    assert records[0].start is not None
    stream = require_truth(
        simulator,
        records,
        "BTC/USD",
        start_ms=records[0].start.timestamp_ms,
        end_ms=reached_ms // MINUTE_MS * MINUTE_MS,
    )
    assert stream.missing_count == 0
    assert stream.duplicate_count > 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"PRODUCT_IDS": "BTC/USD, BTC/UDS"},
            "PRODUCT_IDS: unknown product 'BTC/UDS'; did you mean",
        ),
        ({"MARKET_DATA_SOURCE": "kraken"}, "MARKET_DATA_SOURCE=kraken, but a simulator answers at"),
        ({"KAFKA_BROKER_ADDRESS": ""}, "KAFKA_BROKER_ADDRESS is not set"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_78(
    start: Start, settings: dict[str, str], reason: str
) -> None:
    with start(**settings) as service:
        assert reason in refusal(service)


def test_a_topic_with_trades_of_another_source_is_refused(
    start: Start, broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name)
    record = TradesRecord(
        batch=make_batch((1_790_000_000_000, 1.0)),
        last_trade_id=1,
        last_timestamp_ms=1_790_000_000_000,
        watermark_ms=1_790_000_000_000,
    )
    headers = [("market_data_source", b"kraken")]
    publish_trades(broker_address, topic_name, [record], headers=headers)

    with start() as service:
        assert "holds trades from kraken" in refusal(service)


def test_a_record_that_kafka_refuses_ends_the_process_for_a_restart_to_go_on(
    start: Start, broker_address: str, topic_name: str
) -> None:
    create_topics(
        {"bootstrap.servers": broker_address},
        [TopicSpecification(name=topic_name, partitions=1, config={"max.message.bytes": "300"})],
    )
    with start() as service:
        assert service.wait() == 75
        [line] = service.events_named("gave_up_for_now")
        assert "could not be delivered" in line["reason"] or "no more records" in line["reason"]


def test_a_broker_that_is_away_is_waited_for_alive_but_not_ready(start: Start) -> None:
    with start(KAFKA_BROKER_ADDRESS=NOWHERE) as service:
        line = service.wait_for_event("broker_unreachable")
        assert NOWHERE in line["reason"]
        assert service.get("/health/live")[0] == 200
        status, page = service.get("/health/ready")
        assert (status, json.loads(page)["ready"]) == (503, False)
        assert service.stop() == 0


def test_an_exchange_that_is_away_is_waited_for_alive_but_not_ready(start: Start) -> None:
    with start(KRAKEN_REST_URL=f"http://{NOWHERE}") as service:
        # In the middle of a call's own retries.
        eventually(
            lambda: service.metric(
                f"{PREFIX}_rest_calls_total", endpoint="AssetPairs", outcome="transient"
            ),
            "a failed call",
        )
        assert service.get("/health/live")[0] == 200
        assert service.get("/health/ready")[0] == 503
        assert service.stop() == 0
    assert service.other_lines == []
