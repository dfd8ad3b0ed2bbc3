"""Asking an exchange or a broker that may be away: it is waited for, and never in silence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from loguru import logger

from candlecast.errors import InvalidMessageError, TransientError
from candlecast.runtime.backoff import backoff_delays
from trade_producer.metrics import Metrics

LONGEST_PAUSE_SECONDS = 15.0

Answer = TypeVar("Answer")


async def until_answered(
    ask: Callable[[], Awaitable[Answer]],
    metrics: Metrics,
    *,
    who: Literal["exchange", "broker"] = "exchange",
) -> Answer:
    """Ask until there is an answer; each failure is a line in the log.

    Raises:
        ConfigurationError: there never will be one.
    """
    for pause_seconds in backoff_delays(maximum_seconds=LONGEST_PAUSE_SECONDS):
        try:
            return await ask()
        except (TransientError, InvalidMessageError) as error:
            metrics.errors.labels("rest" if who == "exchange" else "kafka").inc()
            logger.warning(
                f"{who}_unreachable", reason=str(error), retry_seconds=round(pause_seconds, 1)
            )
            await asyncio.sleep(pause_seconds)
    raise AssertionError("backoff_delays never ends")
