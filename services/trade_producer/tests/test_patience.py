"""An exchange or a broker that is away is waited for, and the log says so."""

import asyncio
from collections.abc import Iterator

import pytest
from loguru import logger
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError, InvalidMessageError, TransientError
from trade_producer.metrics import Metrics
from trade_producer.patience import until_answered
from trade_producer.testing.virtual_time import run_in_virtual_time

ERRORS = "candlecast_trade_producer_errors_total"


@pytest.fixture
def events() -> Iterator[list[str]]:
    """What is logged meanwhile: event and reason."""
    lines: list[str] = []
    sink = logger.add(
        lambda message: lines.append(str(message)), format="{message}: {extra[reason]}"
    )
    yield lines
    logger.remove(sink)


class Flaky:
    """Answers when it has failed so often."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)

    async def ask(self) -> str:
        if self._failures:
            raise self._failures.pop(0)
        return "answer"


def test_it_is_asked_until_it_answers_and_each_failure_is_told(events: list[str]) -> None:
    flaky = Flaky(TransientError("away"), InvalidMessageError("odd"), TransientError("away"))
    registry = CollectorRegistry()

    answer = run_in_virtual_time(until_answered(flaky.ask, Metrics(registry)))

    assert answer == "answer"
    assert [line.strip() for line in events] == [
        "exchange_unreachable: away",
        "exchange_unreachable: odd",
        "exchange_unreachable: away",
    ]
    assert registry.get_sample_value(ERRORS, {"kind": "rest"}) == 3


def test_it_is_asked_more_and_more_rarely_but_for_ever() -> None:
    async def day() -> float:
        flaky = Flaky(*[TransientError("away")] * 100)
        await until_answered(flaky.ask, Metrics(CollectorRegistry()))
        return asyncio.get_running_loop().time()

    assert 95 * 7.5 < run_in_virtual_time(day()) < 100 * 15


def test_the_broker_is_told_from_the_exchange(events: list[str]) -> None:
    registry = CollectorRegistry()

    run_in_virtual_time(
        until_answered(Flaky(TransientError("away")).ask, Metrics(registry), who="broker")
    )

    assert events == ["broker_unreachable: away\n"]
    assert registry.get_sample_value(ERRORS, {"kind": "kafka"}) == 1


def test_what_no_waiting_can_help_ends_it() -> None:
    flaky = Flaky(ConfigurationError("unknown pair"))

    with pytest.raises(ConfigurationError):
        run_in_virtual_time(until_answered(flaky.ask, Metrics(CollectorRegistry())))
