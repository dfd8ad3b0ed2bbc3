"""The skeleton of a generated day: how many trades each minute has, and where prices go.

Everything follows from (seed, product, day) in closed form, so any day, past or future, costs the
same and none has to be stored.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from kraken_simulator.market_profiles import MarketProfile
from kraken_simulator.trades import Float64Column, Int64Column

MINUTES_PER_DAY = 1_440
FIRST_DAY = 18_262  # 2020-01-01: the exchange "opens"; trade 1 of every product

# Slow waves in the log price; their sum gives each midnight its price without any history.
_WAVE_PERIODS_DAYS = np.array([3.7, 11.3, 29.0, 83.0, 211.0, 577.0])
_WAVE_AMPLITUDE = 0.008
_INTENSITY_MEMORY_MINUTES = 30
_SHORTEST_SILENCE_MINUTES, _LONGEST_SILENCE_MINUTES = 10, 45


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DaySkeleton:
    """One UTC day of one product, before any single trade exists.

    Attributes:
        first_trade_id: the id of the day's first trade.
        trades_before: 1441 numbers: how many trades of the day come before each minute, and all.
        log_price: 1441 numbers: the log of the middle price at each minute's start, and at the end.
        minute_volatility: 1440 numbers: standard deviation of the log price within each minute.
    """

    first_trade_id: int
    trades_before: Int64Column
    log_price: Float64Column
    minute_volatility: Float64Column


def seeded_random(seed: int, product_id: str, purpose: str, index: int) -> np.random.Generator:
    """Return the random numbers that belong to one purpose, the same ones every time."""
    key = int.from_bytes(_digest(seed, product_id, purpose, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def trades_before_day(seed: int, profile: MarketProfile, day: int) -> int:
    """Return how many trades there were before a day: in closed form, so that ids need no history.

    A line with a seeded, bounded jitter: days differ in length, yet nothing has to be summed.
    """
    if day <= FIRST_DAY:
        return 0
    digest = _digest(seed, profile.product_id, "day length", day)
    jitter = int.from_bytes(digest, "little") % (profile.trades_per_day // 4)
    return (day - FIRST_DAY) * profile.trades_per_day + jitter


def build_day_skeleton(seed: int, profile: MarketProfile, day: int) -> DaySkeleton:
    """Build the skeleton of a day (days since 1970-01-01)."""
    random = seeded_random(seed, profile.product_id, "day", day)
    trades_before = trades_before_day(seed, profile, day)
    trade_count = trades_before_day(seed, profile, day + 1) - trades_before
    intensity = _intensity(random, profile)
    counts = random.multinomial(trade_count, intensity / intensity.sum())
    volatility = profile.minute_volatility * np.sqrt(np.clip(intensity, 0.2, 5.0))
    return DaySkeleton(
        first_trade_id=trades_before + 1,
        trades_before=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        log_price=_log_price_path(random, seed, profile, day, volatility),
        minute_volatility=volatility,
    )


def _digest(seed: int, product_id: str, purpose: str, index: int) -> bytes:
    text = f"{seed}|{product_id}|{purpose}|{index}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _intensity(random: np.random.Generator, profile: MarketProfile) -> Float64Column:
    """Return each minute's share of the day's business: daily cycle, bursts, silences."""
    minute = np.arange(MINUTES_PER_DAY)
    cycle = 1.0 + 0.5 * np.sin(2.0 * math.pi * (minute - 540) / MINUTES_PER_DAY)
    memory = np.exp(-np.arange(_INTENSITY_MEMORY_MINUTES) / 8.0)
    shocks = random.standard_normal(MINUTES_PER_DAY + _INTENSITY_MEMORY_MINUTES - 1)
    mood = np.convolve(shocks, memory / np.linalg.norm(memory), mode="valid")
    intensity = cycle * np.exp(profile.burstiness * mood)
    for _ in range(profile.silences_per_day):
        start = int(random.integers(MINUTES_PER_DAY))
        length = int(random.integers(_SHORTEST_SILENCE_MINUTES, _LONGEST_SILENCE_MINUTES + 1))
        intensity[start : start + length] = 0.0
    return np.asarray(intensity, dtype=np.float64)


def _log_price_path(
    random: np.random.Generator,
    seed: int,
    profile: MarketProfile,
    day: int,
    volatility: Float64Column,
) -> Float64Column:
    """Return a random walk tied to the closed-form prices of both midnights."""
    steps = random.standard_normal(MINUTES_PER_DAY) * volatility
    walk = np.concatenate(([0.0], np.cumsum(steps)))
    share = np.arange(MINUTES_PER_DAY + 1) / MINUTES_PER_DAY
    start = _midnight_log_price(seed, profile, day)
    end = _midnight_log_price(seed, profile, day + 1)
    path = start + share * (end - start) + walk - share * walk[-1]
    return np.asarray(path, dtype=np.float64)


def _midnight_log_price(seed: int, profile: MarketProfile, day: int) -> float:
    phases = seeded_random(seed, profile.product_id, "waves", 0).uniform(
        0.0, 2.0 * math.pi, len(_WAVE_PERIODS_DAYS)
    )
    amplitudes = _WAVE_AMPLITUDE * np.sqrt(_WAVE_PERIODS_DAYS / _WAVE_PERIODS_DAYS[0])
    waves = amplitudes * np.sin(2.0 * math.pi * day / _WAVE_PERIODS_DAYS + phases)
    return math.log(profile.price) + float(waves.sum())
