"""When to connect again: pure, with the time handed in.

Kraken (guides/spot-ws-intro): a random drop may be answered with a few immediate reconnects; after
maintenance or in a long outage at most one every 5 seconds; more than about 150 attempts from one
address within 10 minutes are answered with a ban of 10 minutes.
"""

import random
from collections import deque
from collections.abc import Callable

ATTEMPTS_BUDGET = 150
BUDGET_WINDOW_SECONDS = 600.0
CALM_SECONDS = 5.0

_IMMEDIATE_ATTEMPTS = 3
_BACKOFF_FACTOR = 1.5


class ReconnectPolicy:
    """Counts attempts and failures of one client, and says how long to wait for the next."""

    def __init__(
        self,
        *,
        attempts_budget: int = ATTEMPTS_BUDGET,
        immediate_attempts: int = _IMMEDIATE_ATTEMPTS,
        maximum_seconds: float = 30.0,
        proven_after_seconds: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Build a policy.

        Args:
            attempts_budget: connections within 10 minutes; less than Kraken's if other clients
                share the address.
            immediate_attempts: reconnects without waiting after a drop.
            maximum_seconds: the longest back-off; the budget and a server's wish can ask for more.
            proven_after_seconds: a connection that lived this long clears the failures before it.
            jitter: yields numbers in [0, 1); added so that clients do not come back together.
        """
        self._attempts_budget = attempts_budget
        self._immediate_attempts = immediate_attempts
        self._maximum_seconds = maximum_seconds
        self._proven_after_seconds = proven_after_seconds
        self._jitter = jitter
        self._attempts: deque[float] = deque()
        self._failures_in_a_row = 0
        self._is_calm_needed = False
        self._wished_seconds = 0.0
        self._ended_at: float | None = None

    def attempt_started(self, now: float) -> None:
        """Note that a connection is being made, at a time in monotonic seconds."""
        self._attempts.append(now)

    def connection_ended(
        self,
        now: float,
        *,
        lived_seconds: float,
        was_maintenance: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Note the end of a connection, or of an attempt at one.

        Args:
            now: monotonic seconds.
            lived_seconds: since it was open; 0 if it never was.
            was_maintenance: whether the exchange was not online when it ended.
            retry_after_seconds: how long the server asked to be left alone.
        """
        if lived_seconds >= self._proven_after_seconds:
            self._failures_in_a_row = 0
        self._failures_in_a_row += 1
        self._is_calm_needed = was_maintenance
        self._wished_seconds = 0.0 if retry_after_seconds is None else retry_after_seconds
        self._ended_at = now

    def delay_seconds(self, now: float) -> float:
        """Return how long to wait before the next attempt."""
        if self._ended_at is None:
            return self._budget_seconds(now)
        waited_seconds = now - self._ended_at
        return max(0.0, self._pause_seconds() - waited_seconds, self._budget_seconds(now))

    def _pause_seconds(self) -> float:
        failures_beyond = self._failures_in_a_row - self._immediate_attempts
        if failures_beyond <= 0 and not self._is_calm_needed:
            return self._wished_seconds
        growth = _BACKOFF_FACTOR ** min(max(0, failures_beyond - 1), 20)
        backoff_seconds = min(CALM_SECONDS * growth, self._maximum_seconds)
        # Jitter only ever adds: 5 seconds are the least that Kraken asks for.
        return max(self._wished_seconds, backoff_seconds * (1.0 + 0.25 * self._jitter()))

    def _budget_seconds(self, now: float) -> float:
        while self._attempts and now - self._attempts[0] >= BUDGET_WINDOW_SECONDS:
            self._attempts.popleft()
        if len(self._attempts) < self._attempts_budget:
            return 0.0
        return self._attempts[-self._attempts_budget] + BUDGET_WINDOW_SECONDS - now
