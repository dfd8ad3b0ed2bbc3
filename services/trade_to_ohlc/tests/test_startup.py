import json
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.testing.services import RunningService, running_service
from trade_to_ohlc.service import TradeToOhlc
from trade_to_ohlc.settings import Settings

RunService = Callable[..., AbstractContextManager[RunningService]]


def test_a_broker_that_is_away_is_waited_for_live_but_not_ready(tmp_path: Path) -> None:
    with running_service("trade_to_ohlc", tmp_path, KAFKA_BROKER_ADDRESS="127.0.0.1:1") as service:
        service.wait_for_event("broker_unreachable")

        assert service.get("/health/live")[0] == 200
        status, body = service.get("/health/ready")
        assert (status, json.loads(body)["conditions"]) == (503, {"assigned_and_recovered": False})
        assert service.stop() == 0

    assert {event["event"] for event in service.events} == {
        "started",
        "broker_unreachable",
        "stopped",
    }


@pytest.mark.broker
def test_a_signal_in_the_midst_of_starting_is_not_lost(run_service: RunService) -> None:
    with run_service() as service:
        service.wait_for_event("started")
        assert service.stop() == 0

    assert service.events[-1]["event"] == "stopped"


@pytest.mark.broker
def test_signals_are_left_to_the_process(
    broker_address: str, input_topic: str, output_topic: str, topic_name: str, tmp_path: Path
) -> None:
    """Between the handlers that Quix Streams would set and its first turn one could be lost."""
    settings = Settings(
        kafka_broker_address=broker_address,
        kafka_input_topic=input_topic,
        kafka_output_topic=output_topic,
        kafka_consumer_group=topic_name,
        state_dir=tmp_path,
    )
    stop = StopSignal()
    service = TradeToOhlc(settings, ServiceContext(), stop=stop)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    stop.set()
    service.run()

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
