import time

import numpy as np
import pytest

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.check import (
    CompletenessReport,
    Difference,
    ReferenceCandles,
    check_completeness,
    timestamps_of_windows,
)
from candlecast.store.feature_group import OHLC_COLUMNS, ColumnType
from candlecast.store.feature_rows import FeatureRows
from candlecast.testing.stored_candles import BTC, ETH, make_candle


def check(
    candles: list[Candle], *, minutes: int = 10, reference: list[Candle] | None = None
) -> CompletenessReport:
    return check_completeness(
        candles_to_rows(candles),
        0,
        minutes * MINUTE_MS,
        reference=None if reference is None else ReferenceCandles.from_candles(reference),
    )


def changed(candle: Candle, **values: object) -> Candle:
    return Candle(**{name: getattr(candle, name) for name in candle.__struct_fields__} | values)


TEN = [make_candle(minute) for minute in range(10)]


def test_a_complete_range_is_clean() -> None:
    report = check(TEN)
    assert report.is_clean
    assert (report.expected_minutes, report.present_minutes) == (10, 10)
    assert (report.verified_minutes, report.presence_only_minutes) == (0, 10)


def test_an_empty_range_is_not_called_clean() -> None:
    assert not check(TEN, minutes=0).is_clean


def test_a_missing_minute_is_found() -> None:
    report = check(TEN[:3] + TEN[4:])
    assert not report.is_clean
    assert (report.missing_minutes, report.missing_examples) == (1, (3 * MINUTE_MS,))


def test_nothing_stored_means_everything_is_missing() -> None:
    report = check([], reference=TEN)
    assert (report.missing_minutes, report.verified_minutes) == (10, 0)


def test_a_duplicate_minute_is_found_and_counted_once() -> None:
    report = check([*TEN, TEN[2], TEN[2]], reference=TEN)
    assert not report.is_clean
    assert (report.duplicate_minutes, report.duplicate_examples) == (1, (2 * MINUTE_MS,))
    assert (report.present_minutes, report.verified_minutes) == (10, 10)


@pytest.mark.parametrize(
    "candle",
    [
        changed(TEN[4], timestamp_ms=4 * MINUTE_MS + 30_000, start_ms=3 * MINUTE_MS + 30_000),
        changed(TEN[4], start_ms=4 * MINUTE_MS + 1),
        changed(TEN[4], start_ms=3 * MINUTE_MS),
    ],
)
def test_a_row_off_the_grid_is_misaligned_and_fills_no_minute(candle: Candle) -> None:
    report = check([*TEN[:4], candle, *TEN[5:]])
    assert (report.misaligned_rows, report.missing_minutes) == (1, 1)
    assert report.misaligned_examples == (candle.timestamp_ms,)


def test_rows_outside_the_range_are_ignored() -> None:
    assert check([make_candle(-1), *TEN, make_candle(10)]).is_clean


def test_a_range_off_the_grid_counts_whole_minutes_only() -> None:
    report = check_completeness(candles_to_rows(TEN), 30_000, 5 * MINUTE_MS - 1)
    assert (report.expected_minutes, report.is_clean) == (3, True)


@pytest.mark.parametrize(
    "column", ["open", "high", "low", "close", "volume", "vwap", "trade_count", "buy_volume"]
)
def test_a_different_number_is_found_in_each_column(column: str) -> None:
    value = getattr(TEN[6], column)
    wrong = value + 1 if isinstance(value, int) else value * 1.5 + 1e-9
    report = check([*TEN[:6], changed(TEN[6], **{column: wrong}), *TEN[7:]], reference=TEN)
    assert not report.is_clean
    assert report.different_minutes == 1
    assert report.different_examples == (Difference(6 * MINUTE_MS, column, wrong, value),)


def test_the_noise_of_a_double_is_forgiven_and_nothing_more() -> None:
    noise = [changed(candle, close=candle.close * (1 + 4e-16)) for candle in TEN]
    assert check(noise, reference=TEN).is_clean
    wrong = [changed(candle, close=candle.close * (1 + 3e-12)) for candle in TEN]
    assert check(wrong, reference=TEN).different_minutes == 10


def test_a_reference_that_is_not_a_number_agrees_with_nothing() -> None:
    reference = [changed(candle, close=float("nan")) for candle in TEN]
    assert check(TEN, reference=reference).different_minutes == 10


def test_minutes_without_reference_are_counted_as_present_only() -> None:
    report = check(TEN[:9], reference=[TEN[8], make_candle(50), TEN[2], TEN[9]])
    assert (report.verified_minutes, report.presence_only_minutes) == (2, 7)
    assert (report.missing_minutes, report.different_minutes) == (1, 0)


def test_an_empty_reference_verifies_nothing() -> None:
    report = check(TEN, reference=[])
    assert (report.verified_minutes, report.is_clean) == (0, True)


def test_a_rounded_vwap_can_be_left_out_of_the_reference() -> None:
    exchange = [changed(candle, vwap=1.0, buy_volume=0.0) for candle in TEN]
    reference = ReferenceCandles.from_candles(exchange, has_vwap=False, has_buy_volume=False)
    report = check_completeness(candles_to_rows(TEN), 0, 10 * MINUTE_MS, reference=reference)
    assert (report.is_clean, report.verified_minutes) == (True, 10)


def test_no_more_than_ten_examples_are_kept() -> None:
    report = check([], minutes=500)
    assert (report.missing_minutes, len(report.missing_examples)) == (500, 10)


def test_a_reference_with_a_minute_twice_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="twice"):
        check(TEN, reference=[TEN[0], TEN[0]])


def test_a_reference_without_prices_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match=r"columns missing: \['close'"):
        ReferenceCandles(np.array([0]), {"open": np.array([1.0])})


def test_several_products_at_once_are_refused() -> None:
    with pytest.raises(InvalidMessageError, match="several products"):
        check([TEN[0], make_candle(1, product_id=ETH)])


def test_windows_are_read_by_their_ends() -> None:
    assert timestamps_of_windows(0, 10 * MINUTE_MS) == (MINUTE_MS, 11 * MINUTE_MS)


def test_a_year_is_checked_within_two_seconds() -> None:
    minutes = 525_600
    starts_ms = np.arange(minutes, dtype=np.int64) * MINUTE_MS
    numbers = np.random.default_rng(1).random(minutes)
    values = {
        column.name: [BTC] * minutes
        if column.type is ColumnType.STRING
        else starts_ms
        if column.type is ColumnType.INT64
        else numbers
        for column in OHLC_COLUMNS
    }
    rows = FeatureRows.from_columns(OHLC_COLUMNS, values | {"timestamp_ms": starts_ms + MINUTE_MS})
    names = ("open", "high", "low", "close", "volume", "trade_count", "vwap", "buy_volume")
    reference = ReferenceCandles(starts_ms, {name: rows[name] for name in names})
    started_s = time.perf_counter()
    report = check_completeness(rows, 0, minutes * MINUTE_MS, reference=reference)
    assert time.perf_counter() - started_s < 2.0
    assert (report.is_clean, report.verified_minutes) == (True, minutes)
