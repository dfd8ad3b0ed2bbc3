"""Kraken's public rate limit: a bucket for each caller and kind of call.

Pure; time is passed in.
"""

from collections.abc import Hashable
from dataclasses import dataclass

# A refused call costs too, down to this debt: who keeps calling stays refused for some seconds,
# who waits comes back.
_REFUSED_CALL_COST = 0.5
_LARGEST_DEBT = 3.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_seconds: float


class RateLimiter:
    """Grants so many calls a second to each key, with a small burst.

    Args:
        calls_per_second: how fast a bucket fills; 0 switches the limit off.
        burst: how many calls a rested caller may make at once.
    """

    def __init__(self, *, calls_per_second: float, burst: int) -> None:
        self._calls_per_second = calls_per_second
        self._burst = float(burst)
        self._buckets: dict[Hashable, _Bucket] = {}

    def admits(self, key: Hashable, now_seconds: float) -> bool:
        """Say whether a call may pass at a (monotonic) time, and charge for it."""
        if self._calls_per_second == 0.0:
            return True
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now_seconds))
        earned = (now_seconds - bucket.filled_at_seconds) * self._calls_per_second
        bucket.tokens = min(bucket.tokens + earned, self._burst)
        bucket.filled_at_seconds = now_seconds
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return True
        bucket.tokens = max(bucket.tokens - _REFUSED_CALL_COST, -_LARGEST_DEBT)
        return False
