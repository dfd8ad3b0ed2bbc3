"""What holds for any trades: candles depend on the trades alone, not on how they came."""

import itertools
import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder, Folded
from candlecast.market.time_grid import MINUTE_MS, floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.strategies import (
    FIRST_MINUTE_MS,
    Feed,
    decimal_quantities,
    end_of,
    feeds,
    tapes,
    with_replays,
)

PREVIOUS_CLOSE = 123.25

# Time limits are for tests of speed: these run beside others on a busy machine.
properties = settings(max_examples=40, deadline=None)


def begun() -> CandleBuilder:
    builder = CandleBuilder("BTC/USD")
    builder.begin(FIRST_MINUTE_MS, previous_close=PREVIOUS_CLOSE)
    return builder


def fold(builder: CandleBuilder, feed: Feed) -> list[Folded]:
    return [builder.add(batch, watermark_ms=watermark_ms) for batch, watermark_ms in feed]


def candles_of(folds: list[Folded]) -> list[Candle]:
    return [candle for folded in folds for candle in folded.candles]


def at_once(tape: TradeBatch) -> list[Candle]:
    return begun().add(tape, watermark_ms=end_of(tape)).candles


def by_definition(tape: TradeBatch) -> list[Candle]:
    """The candles of a tape, minute by minute, with exact fractions."""
    close = PREVIOUS_CLOSE
    candles = []
    for start_ms in range(FIRST_MINUTE_MS, end_of(tape), MINUTE_MS):
        rows = [
            row
            for row, moment in enumerate(tape.timestamp_ms)
            if moment // MINUTE_MS * MINUTE_MS == start_ms
        ]
        prices = [float(tape.price[row]) for row in rows] or [close]
        close = prices[-1]
        quantities = [Fraction(float(tape.quantity[row])) for row in rows]
        bought = [Fraction(float(tape.quantity[row])) for row in rows if tape.is_buy[row]]
        notionals = [Fraction(float(tape.price[row] * tape.quantity[row])) for row in rows]
        candles.append(
            Candle(
                product_id="BTC/USD",
                timestamp_ms=start_ms + MINUTE_MS,
                start_ms=start_ms,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=close,
                volume=round(float(sum(quantities)), 8),
                vwap=float(sum(notionals)) / float(sum(quantities)) if rows else 0.0,
                trade_count=len(rows),
                buy_volume=round(float(sum(bought)), 8),
                first_trade_id=int(tape.trade_id[rows[0]]) if rows else 0,
                last_trade_id=int(tape.trade_id[rows[-1]]) if rows else 0,
            )
        )
    return candles


@properties
@given(tape=tapes(jumps=True))
def test_candles_are_what_their_definition_says(tape: TradeBatch) -> None:
    assert at_once(tape) == by_definition(tape)


@properties
@given(data=st.data(), tape=tapes(jumps=True))
def test_any_split_gives_the_same_candles_to_the_last_bit(
    data: st.DataObject, tape: TradeBatch
) -> None:
    feed = data.draw(feeds(tape))

    assert candles_of(fold(begun(), feed)) == at_once(tape)


@properties
@given(data=st.data(), tape=tapes(jumps=True))
def test_any_repetition_gives_the_same_candles_and_counts_what_it_dropped(
    data: st.DataObject, tape: TradeBatch
) -> None:
    feed = data.draw(feeds(tape))
    replayed = data.draw(with_replays(feed))

    folds = fold(begun(), replayed)

    assert candles_of(folds) == at_once(tape)
    sent = sum(len(batch) for batch, _ in replayed)
    assert sum(folded.duplicate_count for folded in folds) == sent - len(tape)
    assert all(folded.late is None for folded in folds)


@properties
@given(data=st.data(), tape=tapes(jumps=True))
def test_keeping_the_state_and_going_on_with_it_changes_nothing(
    data: st.DataObject, tape: TradeBatch
) -> None:
    folds, snapshot = [], begun().snapshot()
    for batch, watermark_ms in data.draw(feeds(tape)):
        builder = CandleBuilder.restore("BTC/USD", snapshot)
        assert builder.snapshot() == snapshot
        folds.append(builder.add(batch, watermark_ms=watermark_ms))
        snapshot = builder.snapshot()

    assert candles_of(folds) == at_once(tape)


@properties
@given(data=st.data(), tape=tapes(jumps=True))
def test_a_crash_repeats_candles_but_makes_no_other_ones(
    data: st.DataObject, tape: TradeBatch
) -> None:
    """The state may be older than what was sent, and the input older than the state."""
    feed = data.draw(feeds(tape))
    builder = begun()
    snapshots = [builder.snapshot()]
    sent: list[Candle] = []
    for batch, watermark_ms in feed:
        sent += builder.add(batch, watermark_ms=watermark_ms).candles
        snapshots.append(builder.snapshot())
    state_of = data.draw(st.integers(0, len(feed)))
    input_from = data.draw(st.integers(0, state_of))

    restarted = CandleBuilder.restore("BTC/USD", snapshots[state_of])
    again = candles_of(fold(restarted, feed[input_from:]))

    assert again == (sent[-len(again) :] if again else [])
    assert builder.snapshot() == restarted.snapshot()


@properties
@given(data=st.data(), tape=tapes(min_size=1, jumps=True), unknown=st.data())
def test_trades_without_ids_are_never_lost_however_they_are_split(
    data: st.DataObject, tape: TradeBatch, unknown: st.DataObject
) -> None:
    is_known = unknown.draw(st.lists(st.booleans(), min_size=len(tape), max_size=len(tape)))
    anonymous = TradeBatch(
        product_id=tape.product_id,
        trade_id=tape.trade_id * is_known,
        timestamp_ms=tape.timestamp_ms,
        price=tape.price,
        quantity=tape.quantity,
        is_buy=tape.is_buy,
    )

    candles = candles_of(fold(begun(), data.draw(feeds(anonymous))))

    assert candles == at_once(anonymous)
    assert sum(candle.trade_count for candle in candles) == len(tape)
    prices = [(candle.open, candle.high, candle.low, candle.close) for candle in candles]
    assert prices == [(c.open, c.high, c.low, c.close) for c in at_once(tape)]


@properties
@given(data=st.data(), tape=tapes(jumps=True))
def test_a_window_closes_exactly_when_the_watermark_reaches_its_end(
    data: st.DataObject, tape: TradeBatch
) -> None:
    builder = begun()
    closed_until_ms, highest_ms = FIRST_MINUTE_MS, 0
    for batch, watermark_ms in data.draw(feeds(tape)):
        highest_ms = max(highest_ms, watermark_ms)
        for candle in builder.add(batch, watermark_ms=watermark_ms).candles:
            assert candle.start_ms == closed_until_ms
            closed_until_ms = candle.timestamp_ms
        assert closed_until_ms == max(floor_to_window(highest_ms), FIRST_MINUTE_MS)


@properties
@given(tape=tapes(jumps=True))
def test_prices_are_ordered_and_flat_candles_repeat_the_previous_close(tape: TradeBatch) -> None:
    close = PREVIOUS_CLOSE
    for candle in at_once(tape):
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert candle.buy_volume <= candle.volume
        if candle.is_flat:
            assert {candle.open, candle.high, candle.low, candle.close} == {close}
        close = candle.close


@properties
@given(tape=tapes(quantity=decimal_quantities))
def test_no_volume_is_lost_or_invented(tape: TradeBatch) -> None:
    total = math.fsum(candle.volume for candle in at_once(tape))

    assert round(total, 8) == round(math.fsum(tape.quantity), 8)


@properties
@given(tape=tapes(jumps=True), position=st.integers(0, 40))
def test_late_trades_are_reported_one_and_all(tape: TradeBatch, position: int) -> None:
    """A watermark that promised too much: what came too late is late, the rest counts."""
    early, rest = tape.select(slice(None, position)), tape.select(slice(position, None))
    promised_ms = end_of(early)
    builder = begun()
    first = builder.add(early, watermark_ms=promised_ms)
    second = builder.add(rest, watermark_ms=end_of(tape))

    late_ms = [] if second.late is None else second.late.timestamp_ms.tolist()
    assert late_ms == [moment for moment in rest.timestamp_ms.tolist() if moment < promised_ms]
    counted = sum(candle.trade_count for candle in candles_of([first, second]))
    assert counted + len(late_ms) == len(tape)


@properties
@given(tape=tapes(min_size=1, jumps=True))
def test_ids_that_were_jumped_over_are_counted_however_they_are_split(tape: TradeBatch) -> None:
    feed = [(tape.select(slice(row, row + 1)), 0) for row in range(len(tape))]
    missing = sum(later - earlier - 1 for earlier, later in itertools.pairwise(tape.trade_id))

    assert begun().add(tape, watermark_ms=0).missing_count == missing
    assert sum(folded.missing_count for folded in fold(begun(), feed)) == missing


@properties
@given(data=st.data(), tape=tapes(min_size=1))
def test_a_stream_that_does_not_say_where_it_starts_misses_its_first_minute_only(
    data: st.DataObject, tape: TradeBatch
) -> None:
    feed = data.draw(feeds(tape))
    first_minute_ms = floor_to_window(int(tape.timestamp_ms[0]))

    folds = fold(CandleBuilder("BTC/USD"), feed)

    expected = [candle for candle in at_once(tape) if candle.start_ms > first_minute_ms]
    assert candles_of(folds) == expected
    warm_up = sum(1 for moment in tape.timestamp_ms if moment < first_minute_ms + MINUTE_MS)
    assert sum(folded.warm_up_count for folded in folds) == warm_up
    assert all(folded.late is None for folded in folds)
