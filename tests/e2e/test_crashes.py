"""Whatever is killed, whenever: the store ends up equal to the exchange's truth."""

import shutil
from pathlib import Path

import pytest

from kraken_simulator.testing import running_simulator
from tests.e2e.live_pipeline import running_live_pipeline

pytestmark = [pytest.mark.broker, pytest.mark.end_to_end]

PRODUCT_IDS = ("BTC/USD", "ETH/USD", "QNT/USD")


def test_killing_each_service_in_turn_leaves_a_store_equal_to_the_truth(
    tmp_path: Path, broker_address: str, topic_name: str
) -> None:
    with (
        running_simulator(speed=60, products=PRODUCT_IDS) as simulator,
        running_live_pipeline(
            simulator,
            tmp_path,
            broker_address=broker_address,
            topic_prefix=f"{topic_name}_",
            product_ids=PRODUCT_IDS,
        ) as live,
    ):
        for _ in range(2):
            for service in live.services:
                live.run_minutes(2)
                live.supervisor.kill(service.name)
                if service.name == "trade_to_ohlc":
                    # The disk may be lost too: the state comes back from Kafka.
                    shutil.rmtree(tmp_path / "state")
        live.run_minutes(3)
        end_ms = live.newest_minute_ms()
        assert live.supervisor.restarts == {
            "trade_producer": 2,
            "trade_to_ohlc": 2,
            "kafka_to_feature_store": 2,
        }
        live.assert_equal_to_the_truth(live.first_minute_ms(), end_ms)


EVERY_FAULT = {
    "disconnect_every_seconds": 4.0,
    "drop_message_probability": 0.05,
    "duplicate_message_probability": 0.05,
    "http_429_probability": 0.02,
    "http_5xx_probability": 0.02,
    "html_probability": 0.02,
    "rate_limit_probability": 0.02,
    "slow_probability": 0.05,
    "slow_seconds": 0.3,
    "page_edge_duplicates": 3,
}
# Only a watermark that REST has proven keeps candles of quiet minutes from closing early.
HALF_OF_ALL_MESSAGES_LOST = {"drop_message_probability": 0.5}


@pytest.mark.parametrize(
    ("faults", "speed", "minutes"),
    [
        pytest.param(EVERY_FAULT, 30, 12, id="every_fault"),
        pytest.param(HALF_OF_ALL_MESSAGES_LOST, 60, 25, id="half_of_all_messages_lost"),
    ],
)
def test_a_faulty_exchange_leaves_a_store_equal_to_the_truth(
    tmp_path: Path,
    broker_address: str,
    topic_name: str,
    faults: dict[str, float],
    speed: int,
    minutes: int,
) -> None:
    with (
        running_simulator(speed=speed, products=PRODUCT_IDS, faults=faults) as simulator,
        running_live_pipeline(
            simulator,
            tmp_path,
            broker_address=broker_address,
            topic_prefix=f"{topic_name}_",
            product_ids=PRODUCT_IDS,
        ) as live,
    ):
        live.run_minutes(minutes, seconds=150)
        end_ms = live.newest_minute_ms()
        live.assert_equal_to_the_truth(live.first_minute_ms(), end_ms)
