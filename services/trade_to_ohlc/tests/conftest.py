from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

# Before any test imports Quix Streams itself: this import keeps a dependency's warning quiet.
import trade_to_ohlc
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import EndOfStream, decode_candle_record
from candlecast.testing.services import RunningService, running_service
from candlecast.testing.topics import make_topic, read_all

RunService = Callable[..., AbstractContextManager[RunningService]]
ReadOutputs = Callable[[], list[Candle | EndOfStream]]


@pytest.fixture
def input_topic(broker_address: str, topic_name: str) -> str:
    return make_topic(broker_address, f"{topic_name}_trades", partitions=2)


@pytest.fixture
def output_topic(broker_address: str, topic_name: str) -> str:
    return make_topic(broker_address, f"{topic_name}_ohlc", partitions=2)


@pytest.fixture
def run_service(
    broker_address: str, topic_name: str, input_topic: str, output_topic: str, tmp_path: Path
) -> RunService:
    """Run the service as a process on topics of its own."""

    def run(**settings: str) -> AbstractContextManager[RunningService]:
        return running_service(
            trade_to_ohlc.__name__,
            tmp_path,
            **{
                "KAFKA_BROKER_ADDRESS": broker_address,
                "KAFKA_INPUT_TOPIC": input_topic,
                "KAFKA_OUTPUT_TOPIC": output_topic,
                "KAFKA_CONSUMER_GROUP": topic_name,
                # So that a killed member's successor is let in at once, not after 10 s.
                "KAFKA_GROUP_INSTANCE_ID": "only",
                "STATE_DIR": str(tmp_path / "state"),
                "COMMIT_INTERVAL_SECONDS": "0.1",
                **settings,
            },
        )

    return run


@pytest.fixture
def read_outputs(broker_address: str, output_topic: str) -> ReadOutputs:
    def read() -> list[Candle | EndOfStream]:
        return [
            decode_candle_record(message.value())
            for message in read_all(broker_address, output_topic)
        ]

    return read
