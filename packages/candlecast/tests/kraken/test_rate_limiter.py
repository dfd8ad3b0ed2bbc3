import asyncio
import math
from dataclasses import dataclass, field

import pytest

from candlecast.kraken.rate_limiter import IP_LIMIT, LimitKey, RateLimiter

BTC = LimitKey("Trades", "XBTUSD")
ETH = LimitKey("Trades", "ETHUSD")


@dataclass
class HandMovedTime:
    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def limiter(self, calls_per_second: float = 1.0) -> RateLimiter:
        return RateLimiter(calls_per_second=calls_per_second, clock=self.clock, sleep=self.sleep)


async def test_calls_of_one_pair_are_a_second_apart() -> None:
    time = HandMovedTime()
    limiter = time.limiter()

    for _ in range(4):
        await limiter.wait(BTC)

    assert time.slept == [1.0, 1.0, 1.0]


async def test_pairs_and_endpoints_do_not_wait_for_each_other() -> None:
    time = HandMovedTime()
    limiter = time.limiter()

    for key in (BTC, ETH, LimitKey("OHLC", "XBTUSD"), IP_LIMIT):
        await limiter.wait(key)

    assert time.slept == []


async def test_time_spent_otherwise_counts() -> None:
    time = HandMovedTime()
    limiter = time.limiter()

    await limiter.wait(BTC)
    time.now += 0.75
    await limiter.wait(BTC)
    time.now += 50.0
    await limiter.wait(BTC)

    assert time.slept == [0.25]


async def test_callers_at_the_same_time_get_slots_one_after_the_other() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    limiter = RateLimiter(calls_per_second=2.0, clock=lambda: 0.0, sleep=sleep)

    await asyncio.gather(*(limiter.wait(BTC) for _ in range(4)))

    assert slept == [0.5, 1.0, 1.5]


async def test_a_refused_key_rests_and_longer_each_time_in_a_row() -> None:
    time = HandMovedTime()
    limiter = time.limiter()

    rests = [limiter.refused(BTC, pause_seconds=5.0) for _ in range(6)]

    assert rests == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    await limiter.wait(BTC)
    assert time.slept == [60.0]


async def test_other_keys_do_not_rest_with_a_refused_one() -> None:
    time = HandMovedTime()
    limiter = time.limiter()

    limiter.refused(BTC, pause_seconds=5.0)
    await limiter.wait(ETH)

    assert time.slept == []


def test_an_answer_ends_the_row_of_refusals() -> None:
    limiter = HandMovedTime().limiter()

    limiter.refused(BTC, pause_seconds=5.0)
    limiter.answered(BTC)

    assert limiter.refused(BTC, pause_seconds=5.0) == 5.0


async def test_infinity_is_no_limit() -> None:
    time = HandMovedTime()
    limiter = time.limiter(math.inf)

    for _ in range(100):
        await limiter.wait(BTC)

    assert time.slept == []


@pytest.mark.parametrize("calls_per_second", [0.0, -1.0, math.nan])
def test_a_limit_has_to_be_positive(calls_per_second: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateLimiter(calls_per_second=calls_per_second)
