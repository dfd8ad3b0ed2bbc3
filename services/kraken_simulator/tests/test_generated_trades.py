import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kraken_simulator.generated_days import FIRST_DAY
from kraken_simulator.generated_trades import GeneratedTrades
from kraken_simulator.listings import listing_of
from kraken_simulator.market_profiles import PROFILES
from kraken_simulator.trades import Trades

MINUTE_NS = 60 * 10**9
DAY_NS = 1_440 * MINUTE_NS
FIRST_NS = FIRST_DAY * DAY_NS

products = st.sampled_from(sorted(PROFILES))
seeds = st.integers(0, 1_000)
# From the first day to the year 2049; hours are where blocks meet, so they come up often.
minutes = st.integers(FIRST_DAY * 1_440, 29_000 * 1_440) | st.integers(
    FIRST_DAY * 24, 29_000 * 24
).map(lambda hour: hour * 60)


def make_source(product_id: str = "BTC/USD", seed: int = 1) -> GeneratedTrades:
    decimals = listing_of(product_id).price_decimals
    return GeneratedTrades(PROFILES[product_id], seed=seed, price_decimals=decimals)


def trades_between(source: GeneratedTrades, start_ns: int, end_ns: int) -> Trades:
    return source.trades(source.id_at(start_ns), source.id_at(end_ns))


def assert_same(left: Trades, right: Trades) -> None:
    for column in ("trade_id", "timestamp_ns", "price", "quantity", "is_buy", "is_market"):
        np.testing.assert_array_equal(getattr(left, column), getattr(right, column))


@given(product_id=products, seed=seeds, minute=minutes, length=st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_ids_are_contiguous_and_times_in_order_over_any_range(
    product_id: str, seed: int, minute: int, length: int
) -> None:
    trades = trades_between(
        make_source(product_id, seed), minute * MINUTE_NS, (minute + length) * MINUTE_NS
    )
    assert (np.diff(trades.trade_id) == 1).all()
    assert (np.diff(trades.timestamp_ns) >= 0).all()
    assert (trades.timestamp_ns >= minute * MINUTE_NS).all()
    assert (trades.timestamp_ns < (minute + length) * MINUTE_NS).all()


@given(product_id=products, seed=seeds, minute=minutes, length=st.integers(1, 130))
@settings(max_examples=25, deadline=None)
def test_minutes_asked_one_by_one_equal_the_range_asked_at_once(
    product_id: str, seed: int, minute: int, length: int
) -> None:
    at_once = trades_between(
        make_source(product_id, seed), minute * MINUTE_NS, (minute + length) * MINUTE_NS
    )
    # Another source, asked backwards: what was made before must not matter.
    source = make_source(product_id, seed)
    one_by_one = [
        trades_between(source, start * MINUTE_NS, (start + 1) * MINUTE_NS)
        for start in reversed(range(minute, minute + length))
    ]
    assert_same(at_once, Trades.concatenate(one_by_one[::-1]))


@given(product_id=products, seed=seeds, minute=minutes, length=st.integers(1, 100))
@settings(max_examples=25, deadline=None)
def test_prices_are_on_the_tick_and_quantities_have_eight_decimals(
    product_id: str, seed: int, minute: int, length: int
) -> None:
    trades = trades_between(
        make_source(product_id, seed), minute * MINUTE_NS, (minute + length) * MINUTE_NS
    )
    decimals = listing_of(product_id).price_decimals
    assert trades.price.tolist() == [float(f"{price:.{decimals}f}") for price in trades.price]
    assert trades.quantity.tolist() == [float(f"{amount:.8f}") for amount in trades.quantity]
    assert (trades.price > 0).all()
    assert (trades.quantity > 0).all()


@given(product_id=products, seed=seeds, day=st.integers(FIRST_DAY, 29_000))
@settings(max_examples=15, deadline=None)
def test_prices_never_jump_between_minutes_hours_or_days(
    product_id: str, seed: int, day: int
) -> None:
    trades = trades_between(
        make_source(product_id, seed), day * DAY_NS, (day + 1) * DAY_NS + 60 * MINUTE_NS
    )
    gaps_minutes = np.diff(trades.timestamp_ns) / MINUTE_NS
    moves = np.abs(np.diff(np.log(trades.price)))
    # What a walk of this volatility may do, with room for the spread and for long orders.
    allowed = PROFILES[product_id].minute_volatility * 12.0 * np.sqrt(1.0 + gaps_minutes)
    assert (moves <= allowed + 0.004).all()


@given(product_id=products, seed=seeds, trade_offset=st.integers(0, 10**8))
@settings(max_examples=40, deadline=None)
def test_a_trade_is_found_by_its_id_as_well_as_by_its_time(
    product_id: str, seed: int, trade_offset: int
) -> None:
    source = make_source(product_id, seed)
    wanted_id = 1 + trade_offset % (PROFILES[product_id].trades_per_day * 10_000)
    trade = source.trades(wanted_id, wanted_id + 1)
    assert trade.trade_id.tolist() == [wanted_id]
    timestamp_ns = int(trade.timestamp_ns[0])
    assert source.id_at(timestamp_ns) <= wanted_id < source.id_at(timestamp_ns + 1)


def test_the_same_seed_gives_the_same_trades_and_another_seed_others() -> None:
    start_ns = 20_000 * DAY_NS
    first, again, other = (
        trades_between(make_source(seed=seed), start_ns, start_ns + 10 * MINUTE_NS)
        for seed in (1, 1, 2)
    )
    assert_same(first, again)
    assert first.price.tolist() != other.price.tolist()


def test_the_quiet_product_is_silent_for_tens_of_minutes_and_most_minutes() -> None:
    day = 20_000
    trades = trades_between(make_source("QNT/USD"), day * DAY_NS, (day + 1) * DAY_NS)
    traded = np.unique(trades.timestamp_ns // MINUTE_NS)
    assert len(traded) < 500
    assert np.diff(traded).max() > 20
    assert len(trades) > 100


def test_one_order_may_fill_dozens_of_trades_on_one_nanosecond() -> None:
    day = 20_000
    trades = trades_between(make_source(), day * DAY_NS, (day + 1) * DAY_NS)
    _, first_rows, sizes = np.unique(trades.timestamp_ns, return_index=True, return_counts=True)
    assert sizes.max() >= 24
    assert (sizes > 1).mean() > 0.3
    largest = int(np.argmax(sizes))
    fills = trades.select(
        slice(int(first_rows[largest]), int(first_rows[largest] + sizes[largest]))
    )
    assert len(set(fills.is_buy.tolist())) == 1
    steps = np.diff(fills.price)
    assert (steps >= 0).all() if fills.is_buy[0] else (steps <= 0).all()


def test_trades_fall_on_the_first_nanosecond_and_in_the_last_millisecond_of_minutes() -> None:
    day = 20_000
    trades = trades_between(make_source(), day * DAY_NS, (day + 1) * DAY_NS)
    within_ns = trades.timestamp_ns % MINUTE_NS
    assert (within_ns == 0).any()
    assert (within_ns >= MINUTE_NS - 500_000).sum() > 10


def test_nothing_exists_before_the_first_trade() -> None:
    source = make_source()
    assert source.id_at(0) == 1
    assert len(source.trades(-5, 1)) == 0
    assert source.trades(-5, 3).trade_id.tolist() == [1, 2]
    assert int(source.trades(1, 2).timestamp_ns[0]) >= FIRST_NS


@pytest.mark.parametrize("product_id", sorted(PROFILES))
def test_a_product_is_as_busy_as_its_profile_says(product_id: str) -> None:
    source = make_source(product_id)
    days = 5
    count = source.id_at((20_000 + days) * DAY_NS) - source.id_at(20_000 * DAY_NS)
    assert count == pytest.approx(days * PROFILES[product_id].trades_per_day, rel=0.25)
