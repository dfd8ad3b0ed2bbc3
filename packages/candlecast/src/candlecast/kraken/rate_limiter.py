"""Staying within Kraken's limits for public calls.

Trades and OHLC are limited per IP address and pair, every other public endpoint per IP address;
one call per second or fewer stays within the limit (support.kraken.com/articles/206548367).
The limiter hands out slots in order of asking; a refused key rests, longer each time in a row.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

_LONGEST_COOL_DOWN_SECONDS = 60.0
_LARGEST_DOUBLING = 6


class LimitKey(NamedTuple):
    """What one limit is about; without a pair it is the limit of the IP address."""

    endpoint: str = ""
    pair: str = ""


IP_LIMIT = LimitKey()


class RateLimiter:
    """Spaces calls of one key evenly; different keys do not wait for each other."""

    def __init__(
        self,
        *,
        calls_per_second: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Build a limiter.

        Args:
            calls_per_second: for each key; infinity for no limit.
            clock: monotonic seconds.
            sleep: waits for some seconds.
        """
        if not calls_per_second > 0.0:
            raise ValueError(f"calls_per_second must be positive, not {calls_per_second}")
        self._interval_seconds = 1.0 / calls_per_second
        self._clock = clock
        self._sleep = sleep
        self._next_free_seconds: dict[LimitKey, float] = {}
        self._refusals_in_a_row: dict[LimitKey, int] = {}

    async def wait(self, key: LimitKey) -> None:
        """Wait for this key's next slot, and take it."""
        now = self._clock()
        slot = max(now, self._next_free_seconds.get(key, now))
        self._next_free_seconds[key] = slot + self._interval_seconds
        if slot > now:
            await self._sleep(slot - now)

    def refused(self, key: LimitKey, *, pause_seconds: float) -> float:
        """Rest a key after a refusal, doubling with each one in a row; return for how long."""
        refusals = self._refusals_in_a_row.get(key, 0)
        self._refusals_in_a_row[key] = min(refusals + 1, _LARGEST_DOUBLING)
        rest_seconds = min(
            pause_seconds * 2.0**refusals, max(pause_seconds, _LONGEST_COOL_DOWN_SECONDS)
        )
        until = self._clock() + rest_seconds
        self._next_free_seconds[key] = max(until, self._next_free_seconds.get(key, until))
        return rest_seconds

    def answered(self, key: LimitKey) -> None:
        """Note that a call of this key was let through."""
        self._refusals_in_a_row.pop(key, None)
