"""A seeded market: any trade of any minute on demand, always the same one.

Trades are made an hour at a time, in columns, from the day's skeleton; a bounded number of hours
is remembered. One order of a taker becomes several trades on one nanosecond, now and then dozens.
"""

from functools import lru_cache

import numpy as np

from kraken_simulator.generated_days import (
    FIRST_DAY,
    DaySkeleton,
    build_day_skeleton,
    seeded_random,
    trades_before_day,
)
from kraken_simulator.market_profiles import MarketProfile
from kraken_simulator.trades import BoolColumn, Float64Column, Int64Column, Trades

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_HOURS_PER_DAY = 24
_MINUTES_PER_HOUR = 60

_NEW_ORDER_PROBABILITY = 0.45
_SWEEP_PROBABILITY = 1 / 2_500
_SMALLEST_SWEEP, _LARGEST_SWEEP = 20, 90
# Minutes whose first order comes at the very first nanosecond, or whose last one comes within the
# last 400 microseconds: where a consumer that rounds instead of flooring shows itself.
_EDGE_PROBABILITY = 0.03
_EDGE_NS = 400_000
_FILLS_PER_TICK = 4
_QUANTITY_UNITS = 10**8
_QUANTITY_SIGMA = 1.6
_MARKET_ORDER_PROBABILITY = 0.35

_REMEMBERED_DAYS = 32
_REMEMBERED_HOURS = 48


class GeneratedTrades:
    """The trades of one generated product (a `TradeSource`)."""

    def __init__(self, profile: MarketProfile, *, seed: int, price_decimals: int) -> None:
        self._profile = profile
        self._seed = seed
        self._ticks_per_unit = 10**price_decimals
        self._day = lru_cache(_REMEMBERED_DAYS)(self._build_day)
        self._hour = lru_cache(_REMEMBERED_HOURS)(self._build_hour)

    @property
    def first_trade_id(self) -> int:
        """The id of the first trade there ever was."""
        return 1

    def id_at(self, timestamp_ns: int) -> int:
        """Return the id of the first trade at or after a moment."""
        hour = timestamp_ns // _HOUR_NS
        if hour < FIRST_DAY * _HOURS_PER_DAY:
            return self.first_trade_id
        rows_before = int(np.searchsorted(self._hour(hour).timestamp_ns, timestamp_ns))
        return self._first_id_of_hour(hour) + rows_before

    def trades(self, first_id: int, end_id: int) -> Trades:
        """Return the trades with first_id <= id < end_id, as far as they exist."""
        next_id = max(first_id, self.first_trade_id)
        parts: list[Trades] = []
        hour = self._hour_of_id(next_id)
        while next_id < end_id:
            block = self._hour(hour)
            block_start = self._first_id_of_hour(hour)
            part = block.select(slice(next_id - block_start, end_id - block_start))
            if len(part) > 0:
                parts.append(part)
            next_id = block_start + len(block)
            hour += 1
        return parts[0] if len(parts) == 1 else Trades.concatenate(parts)

    def _hour_of_id(self, trade_id: int) -> int:
        # The jitter of a day's beginning is positive and less than a day: one step back at most.
        day = FIRST_DAY + (trade_id - 1) // self._profile.trades_per_day
        if trades_before_day(self._seed, self._profile, day) >= trade_id:
            day -= 1
        skeleton = self._day(day)
        minute = np.searchsorted(
            skeleton.trades_before, trade_id - skeleton.first_trade_id, side="right"
        )
        return day * _HOURS_PER_DAY + int(minute - 1) // _MINUTES_PER_HOUR

    def _first_id_of_hour(self, hour: int) -> int:
        day, hour_of_day = divmod(hour, _HOURS_PER_DAY)
        skeleton = self._day(day)
        return skeleton.first_trade_id + int(
            skeleton.trades_before[hour_of_day * _MINUTES_PER_HOUR]
        )

    def _build_day(self, day: int) -> DaySkeleton:
        return build_day_skeleton(self._seed, self._profile, day)

    def _build_hour(self, hour: int) -> Trades:
        day, hour_of_day = divmod(hour, _HOURS_PER_DAY)
        skeleton = self._day(day)
        first_minute = hour_of_day * _MINUTES_PER_HOUR
        counts = np.diff(skeleton.trades_before[first_minute : first_minute + 61])
        total = int(counts.sum())
        if total == 0:
            return Trades.empty()
        random = seeded_random(self._seed, self._profile.product_id, "hour", hour)
        starts = _order_starts(random, counts, total)
        order = np.cumsum(starts) - 1
        minute_of_order = np.repeat(np.arange(_MINUTES_PER_HOUR), counts)[starts]
        offset_ns = _order_times(random, minute_of_order)
        buys = random.random(len(offset_ns)) < 0.5
        markets = random.random(len(offset_ns)) < _MARKET_ORDER_PROBABILITY
        middle = self._middle_prices(random, skeleton, first_minute, minute_of_order, offset_ns)
        fill = np.arange(total) - np.flatnonzero(starts)[order]
        return Trades(
            trade_id=np.arange(total, dtype=np.int64) + self._first_id_of_hour(hour),
            timestamp_ns=hour * _HOUR_NS + offset_ns[order],
            price=self._prices(middle[order], fill, buys[order]),
            quantity=self._quantities(random, total),
            is_buy=buys[order],
            is_market=markets[order],
        )

    def _middle_prices(
        self,
        random: np.random.Generator,
        skeleton: DaySkeleton,
        first_minute: int,
        minute_of_order: Int64Column,
        offset_ns: Int64Column,
    ) -> Float64Column:
        """Return the middle price at each order: a walk tied to the path at both minute's ends."""
        minute = first_minute + minute_of_order
        share = (offset_ns - minute_of_order * _MINUTE_NS) / _MINUTE_NS
        start, end = skeleton.log_price[minute], skeleton.log_price[minute + 1]
        orders = np.bincount(minute_of_order, minlength=_MINUTES_PER_HOUR)
        last_order = np.cumsum(orders) - 1
        walk = np.cumsum(random.standard_normal(len(minute_of_order)))
        walk_before = np.concatenate(([0.0], walk))[(last_order - orders + 1)[minute_of_order]]
        walk_end = walk[last_order[minute_of_order]] - walk_before
        rank = np.arange(len(walk)) - (last_order - orders)[minute_of_order]
        orders_in_minute = orders[minute_of_order]
        bridge = walk - walk_before - walk_end * rank / orders_in_minute
        scale = 0.5 * skeleton.minute_volatility[minute] / np.sqrt(orders_in_minute)
        prices = np.exp(start + share * (end - start) + scale * bridge)
        return np.asarray(prices, dtype=np.float64)

    def _prices(self, middle: Float64Column, fill: Int64Column, buys: BoolColumn) -> Float64Column:
        """Return prices on the tick: takers pay the spread, and a long order walks the book."""
        ticks = np.rint(middle * self._ticks_per_unit).astype(np.int64)
        away = self._profile.half_spread_ticks + fill // _FILLS_PER_TICK
        ticks = np.maximum(ticks + np.where(buys, away, -away), 1)
        # A whole number divided by a power of ten is the double nearest to the decimal.
        return np.asarray(ticks / self._ticks_per_unit, dtype=np.float64)

    def _quantities(self, random: np.random.Generator, total: int) -> Float64Column:
        spread = np.exp(_QUANTITY_SIGMA * random.standard_normal(total))
        units = np.rint(self._profile.median_quantity * spread * _QUANTITY_UNITS)
        return np.asarray(np.maximum(units, 1.0) / _QUANTITY_UNITS, dtype=np.float64)


def _order_starts(random: np.random.Generator, counts: Int64Column, total: int) -> BoolColumn:
    """Say which trades begin a new order; the ones after it are fills of the same order."""
    starts = random.random(total) < _NEW_ORDER_PROBABILITY
    for row in np.flatnonzero(random.random(total) < _SWEEP_PROBABILITY):
        length = int(random.integers(_SMALLEST_SWEEP, _LARGEST_SWEEP + 1))
        starts[row + 1 : row + length] = False
    first_rows = np.cumsum(counts) - counts
    starts[first_rows[counts > 0]] = True
    return starts


def _order_times(random: np.random.Generator, minute_of_order: Int64Column) -> Int64Column:
    """Return each order's nanoseconds since the hour's start, in order."""
    within = random.integers(0, _MINUTE_NS, len(minute_of_order))
    offset_ns = np.sort(minute_of_order * _MINUTE_NS + within)
    is_first = np.diff(minute_of_order, prepend=-1) > 0
    is_last = np.diff(minute_of_order, append=_MINUTES_PER_HOUR) > 0
    edge = random.random(len(minute_of_order))
    at_start = is_first & (edge < _EDGE_PROBABILITY)
    at_end = is_last & (edge > 1.0 - _EDGE_PROBABILITY)
    from_end = random.integers(1, _EDGE_NS, len(minute_of_order))
    offset_ns = np.where(at_start, minute_of_order * _MINUTE_NS, offset_ns)
    # An order that is already closer to the end stays there: times must not go backwards.
    near_end = (minute_of_order + 1) * _MINUTE_NS - from_end
    return np.asarray(np.where(at_end, np.maximum(offset_ns, near_end), offset_ns), dtype=np.int64)
