import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from candlecast.testing.services import RunningService, running_service

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
