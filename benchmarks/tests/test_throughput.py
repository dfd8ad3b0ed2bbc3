from dataclasses import replace

import numpy as np
from benchmarks.made_trades import BUSY, MinuteCandles, make_trades, minute_candles
from benchmarks.pipeline.throughput import timing_of
from benchmarks.pipeline.topics import StampedValue


def truth_of(minutes: int) -> MinuteCandles:
    truth = minute_candles(make_trades(BUSY, 1_000))
    return replace(truth, trade_count=np.full(minutes, 1_000))


def test_time_counts_from_the_first_stamp_to_the_last() -> None:
    candles = [StampedValue(1_000 + 100 * number, b"") for number in range(11)]
    timing = timing_of(candles, candles[-1], truth_of(11))
    assert (timing.seconds, timing.trade_count) == (1.0, 10_000)


def test_candles_that_waited_with_the_first_do_not_make_a_program_faster() -> None:
    waited = [StampedValue(1_000 + number, b"") for number in range(5)]
    candles = [*waited, StampedValue(2_000, b"")]
    timing = timing_of(candles, candles[-1], truth_of(6))
    assert (timing.seconds, timing.trade_count) == (1.0, 1_000)


def test_the_end_of_the_stream_ends_the_clock() -> None:
    candles = [StampedValue(1_000, b""), StampedValue(2_000, b"")]
    timing = timing_of(candles, StampedValue(3_000, b""), truth_of(2))
    assert (timing.seconds, timing.trade_count) == (2.0, 1_000)
