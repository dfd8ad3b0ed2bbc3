"""What hypothesis draws in several suites: trades, ways to cut and repeat them, records.

Moments crowd around the edges of minutes, prices and quantities reach from the smallest to the
largest that an exchange writes, because that is where candles go wrong.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from hypothesis import strategies as st

from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS, ceil_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import StreamStart, TradesRecord

Feed = list[tuple[TradeBatch, int]]
"""Batches in the order they come, each with its watermark."""

FIRST_MINUTE_MS = 29_000_000 * MINUTE_MS
"""Every tape starts in this minute (2025-02-19 05:20 UTC)."""

product_ids = st.sampled_from(["BTC/USD", "ETH/USD", "DOGE/EUR", 'Ünï/$ "x\\'])

_STEPS_MS = st.one_of(
    st.just(0),
    st.integers(0, 2_000),
    st.sampled_from([1, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, 4 * MINUTE_MS]),
)
_OFFSETS_MS = st.one_of(
    st.sampled_from([0, 1, MINUTE_MS - 1]), st.integers(min_value=0, max_value=MINUTE_MS - 1)
)

decimal_prices = st.integers(1, 10**9).map(lambda ticks: ticks / 1e4)
"""Prices as exchanges write them."""
decimal_quantities = st.integers(1, 10**12).map(lambda units: units / 1e8)
"""Quantities with 8 decimals, as exchanges write them: from 1e-8 to 10,000."""
prices = st.one_of(decimal_prices, st.sampled_from([1e-10, 1e-8, 0.1, 1e12]))
quantities = st.one_of(
    decimal_quantities, st.sampled_from([1e-8, 1e-12, 0.1, 1e15]), st.floats(1e-9, 1e9)
)


@st.composite
def tapes(
    draw: st.DrawFn,
    *,
    product_id: str = "BTC/USD",
    min_size: int = 0,
    max_size: int = 40,
    jumps: bool = False,
    quantity: st.SearchStrategy[float] = quantities,
) -> TradeBatch:
    """Draw the trades of one product in the exchange's order, with ids.

    With `jumps`, ids are jumped over now and then and times go back a little, as real ones do.
    """
    size = draw(st.integers(min_size, max_size))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    steps_ms = column(st.one_of(_STEPS_MS, st.integers(-50, 50)) if jumps else _STEPS_MS)
    id_steps = column(st.sampled_from([1, 1, 1, 2, 7]) if jumps else st.just(1))
    start_ms = FIRST_MINUTE_MS + draw(_OFFSETS_MS)
    id_before = draw(st.integers(0, 10**9))
    return TradeBatch.from_columns(
        product_id,
        trade_id=list(itertools.accumulate(id_steps, initial=id_before))[1:],
        timestamp_ms=[
            max(moment, FIRST_MINUTE_MS)
            for moment in itertools.accumulate(steps_ms, initial=start_ms)
        ][1:],
        price=draw(st.lists(prices, min_size=size, max_size=size)),
        quantity=draw(st.lists(quantity, min_size=size, max_size=size)),
        is_buy=draw(st.lists(st.booleans(), min_size=size, max_size=size)),
    )


def end_of(tape: TradeBatch) -> int:
    """Return the first moment by which every minute of a tape is over."""
    last_ms = int(tape.timestamp_ms.max()) if len(tape) > 0 else FIRST_MINUTE_MS
    return ceil_to_window(last_ms + 1)


@st.composite
def feeds(draw: st.DrawFn, tape: TradeBatch) -> Feed:
    """Cut a tape into batches, some empty, whose watermarks never promise too much.

    A watermark may lag as far as it likes, and go back; the last one is the end of the tape.
    """
    cuts = sorted(draw(st.lists(st.integers(0, len(tape)), max_size=8)))
    feed: Feed = []
    for start, end in zip([0, *cuts], [*cuts, len(tape)], strict=True):
        rest = tape.timestamp_ms[end:]
        highest_ms = int(rest.min()) if len(rest) > 0 else end_of(tape)
        watermark_ms = draw(
            st.one_of(st.just(highest_ms), st.integers(FIRST_MINUTE_MS - MINUTE_MS, highest_ms))
        )
        feed.append((tape.select(slice(start, end)), watermark_ms))
    return [*feed, (TradeBatch.empty(tape.product_id), end_of(tape))]


@st.composite
def with_replays(draw: st.DrawFn, feed: Sequence[tuple[TradeBatch, int]]) -> Feed:
    """Go back to an earlier batch now and then and send everything from there again."""
    sent: Feed = []
    for position, item in enumerate(feed):
        sent.append(item)
        if draw(st.booleans()):
            sent += feed[draw(st.integers(0, position)) : position + 1]
    return sent


@st.composite
def trades_records(draw: st.DrawFn) -> TradesRecord:
    """Draw a record of `trades`: a batch or a tick, perhaps a stream's first or last."""
    batch = draw(product_ids.flatmap(lambda name: tapes(product_id=name, jumps=True)))
    moments = st.integers(0, 10**13 - 1)
    starts = st.builds(
        StreamStart, timestamp_ms=moments, previous_close=st.one_of(st.none(), prices)
    )
    return TradesRecord(
        batch=batch,
        last_trade_id=draw(st.integers(0, 2**63 - 1)),
        last_timestamp_ms=draw(moments),
        watermark_ms=draw(moments),
        end_of_stream=draw(st.booleans()),
        start=draw(st.one_of(st.none(), starts)),
    )


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    """Draw a candle that could be on `ohlc`, flat ones too."""
    low, *between, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    is_flat = draw(st.booleans())
    if is_flat:
        between, high = [low, low], low
    start_ms = draw(st.integers(1, 10**13 - 1 - MINUTE_MS))
    volume = 0.0 if is_flat else draw(quantities)
    return Candle(
        product_id=draw(product_ids),
        timestamp_ms=start_ms + MINUTE_MS,
        start_ms=start_ms,
        open=draw(st.sampled_from(between)),
        high=high,
        low=low,
        close=draw(st.sampled_from(between)),
        volume=volume,
        vwap=0.0 if is_flat else draw(st.sampled_from(between)),
        trade_count=0 if is_flat else draw(st.integers(1, 10**6)),
        buy_volume=draw(st.sampled_from([0.0, volume])),
        first_trade_id=0 if is_flat else draw(st.integers(0, 2**62)),
        last_trade_id=0 if is_flat else draw(st.integers(0, 2**62)),
    )


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, 10**15]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(["buy", "b", "1.5", "nan", "inf", "2024-11-11", "0001-01-01T00:00+14:00"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
"""Any JSON value, with those among them that have surprised a decoder somewhere."""


@st.composite
def mutated_json(draw: st.DrawFn, fields: Mapping[str, Any]) -> bytes:
    """Draw a JSON object that was once right: fields changed or gone, bytes lost or turned."""
    changes = draw(st.dictionaries(st.sampled_from(sorted(fields)), json_values, max_size=3))
    gone = draw(st.sets(st.sampled_from(sorted(fields)), max_size=2))
    kept = {name: value for name, value in {**fields, **changes}.items() if name not in gone}
    value = bytearray(orjson.dumps(kept))
    for position, byte in draw(
        st.lists(st.tuples(st.integers(0, len(value)), st.integers(0, 255)), max_size=3)
    ):
        value[position : position + 1] = [byte]
    cut = draw(st.one_of(st.none(), st.integers(0, len(value))))
    return bytes(value[:cut])
