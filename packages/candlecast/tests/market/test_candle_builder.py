"""One sentence each about what `CandleBuilder` does; what always holds is in the properties."""

import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder, Folded
from candlecast.market.time_grid import MINUTE_MS
from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.trades import columns_of, make_batch

M0 = 29_000_000 * MINUTE_MS
M1, M2, M3, M4, M5 = (M0 + number * MINUTE_MS for number in range(1, 6))
TICK = TradeBatch.empty("BTC/USD")


def begun(*, previous_close: float | None = None, window_ms: int = MINUTE_MS) -> CandleBuilder:
    builder = CandleBuilder("BTC/USD", window_ms=window_ms)
    builder.begin(M0, previous_close=previous_close)
    return builder


def tick(builder: CandleBuilder, watermark_ms: int) -> list[Candle]:
    return builder.add(TICK, watermark_ms=watermark_ms).candles


def closes(candles: list[Candle]) -> dict[int, float]:
    return {candle.start_ms: candle.close for candle in candles}


def kept_twin(builder: CandleBuilder) -> CandleBuilder:
    return CandleBuilder.restore("BTC/USD", builder.snapshot())


def test_a_closed_candle_has_everything_its_trades_did() -> None:
    builder = begun()
    builder.add(make_batch((M0, 10.0), (M0 + 1, 12.0), quantity=0.25, is_buy=True), watermark_ms=0)
    builder.add(make_batch((M0 + 2, 9.0), (M0 + 3, 11.0), first_id=3), watermark_ms=0)

    assert tick(builder, M1) == [
        Candle(
            product_id="BTC/USD",
            timestamp_ms=M1,
            start_ms=M0,
            open=10.0,
            high=12.0,
            low=9.0,
            close=11.0,
            volume=2.5,
            vwap=(2.5 + 3.0 + 9.0 + 11.0) / 2.5,
            trade_count=4,
            buy_volume=0.5,
            first_trade_id=1,
            last_trade_id=4,
        )
    ]


def test_a_window_closes_at_the_watermark_that_reaches_its_end_and_not_before() -> None:
    builder = begun()
    builder.add(make_batch((M0, 10.0)), watermark_ms=M0)

    assert tick(builder, M1 - 1) == []
    assert closes(tick(builder, M1)) == {M0: 10.0}
    assert tick(builder, M1) == []


def test_trades_of_later_windows_close_nothing_by_themselves() -> None:
    builder = begun()
    folded = builder.add(make_batch((M0, 10.0), (M1, 11.0), (M4, 12.0)), watermark_ms=M0)

    assert folded.candles == []
    assert closes(tick(builder, M5)) == {M0: 10.0, M1: 11.0, M2: 11.0, M3: 11.0, M4: 12.0}


def test_several_windows_are_open_while_the_watermark_lags_and_close_one_by_one() -> None:
    builder = begun()
    builder.add(make_batch((M0, 10.0), (M1, 11.0), (M2, 12.0)), watermark_ms=M0)
    builder.add(make_batch((M1 + 5, 21.0), (M0 + 5, 20.0), first_id=4), watermark_ms=M0)

    assert closes(tick(builder, M1)) == {M0: 20.0}
    assert closes(tick(builder, M2 + 30_000)) == {M1: 21.0}
    assert closes(tick(builder, M3)) == {M2: 12.0}


def test_a_watermark_that_goes_back_does_nothing() -> None:
    builder = begun()
    builder.add(make_batch((M0, 10.0)), watermark_ms=M1 - 1)
    before = builder.snapshot()

    assert tick(builder, M0) == []
    assert builder.snapshot() == before
    assert builder.watermark_ms == M1 - 1


def test_the_last_millisecond_of_a_minute_is_in_it_and_the_next_one_is_not() -> None:
    builder = begun()
    candles = builder.add(make_batch((M1 - 1, 10.0), (M1, 11.0)), watermark_ms=M2).candles

    assert closes(candles) == {M0: 10.0, M1: 11.0}


def test_many_trades_of_one_moment_keep_the_exchanges_order() -> None:
    trades = [(M0 + 7, float(price)) for price in (10, 13, 8, 11, 12)]
    candle = begun().add(make_batch(*trades), watermark_ms=M1).candles[0]

    assert (candle.open, candle.high, candle.low, candle.close) == (10.0, 13.0, 8.0, 12.0)


def test_times_that_go_back_leave_the_exchanges_order_by_id() -> None:
    candle = begun().add(make_batch((M0 + 9, 10.0), (M0 + 1, 11.0)), watermark_ms=M1).candles[0]

    assert (candle.open, candle.close) == (10.0, 11.0)


def test_times_that_jump_between_minutes_leave_the_order_inside_each() -> None:
    trades = [(M0 if number % 2 else M1, float(100 + number)) for number in range(200)]
    first, second = begun().add(make_batch(*trades), watermark_ms=M2).candles

    assert (first.open, first.close, first.trade_count) == (101.0, 299.0, 100)
    assert (second.open, second.close, second.trade_count) == (100.0, 298.0, 100)


def test_minutes_without_trades_are_flat_at_the_previous_close() -> None:
    builder = begun(previous_close=9.0)
    candles = builder.add(make_batch((M1, 10.0)), watermark_ms=M4).candles

    assert closes(candles) == {M0: 9.0, M1: 10.0, M2: 10.0, M3: 10.0}
    assert [candle.is_flat for candle in candles] == [True, False, True, True]


def test_there_are_no_candles_before_the_very_first_trade() -> None:
    builder = begun(previous_close=None)

    assert tick(builder, M2) == []
    assert closes(builder.add(make_batch((M3, 10.0)), watermark_ms=M5).candles) == {
        M3: 10.0,
        M4: 10.0,
    }


def test_a_long_silence_before_the_first_trade_costs_nothing() -> None:
    builder = CandleBuilder("BTC/USD", window_ms=1_000)
    builder.begin(0, previous_close=None)

    assert builder.add(TICK, watermark_ms=10**13).candles == []


@pytest.mark.parametrize("seconds", [1, 5, 300, 86_400])
def test_windows_of_any_length_are_aligned_to_the_epoch(seconds: int) -> None:
    window_ms = seconds * 1_000
    builder = CandleBuilder("BTC/USD", window_ms=window_ms)
    builder.begin(M0, previous_close=1.0)
    first_ms = -(-M0 // window_ms) * window_ms

    candles = builder.add(make_batch((first_ms, 10.0)), watermark_ms=first_ms + window_ms).candles

    assert [(candle.start_ms, candle.timestamp_ms) for candle in candles] == [
        (first_ms, first_ms + window_ms)
    ]


class TestAStreamThatDoesNotSayWhereItStarts:
    def test_loses_its_first_partial_window_only(self) -> None:
        builder = CandleBuilder("BTC/USD")
        folded = builder.add(make_batch((M0 + 1, 10.0), (M1, 11.0)), watermark_ms=M2)

        assert closes(folded.candles) == {M1: 11.0}
        assert folded.warm_up_count == 1
        assert folded.late is None

    def test_takes_the_lost_windows_close_as_the_price_before(self) -> None:
        builder = CandleBuilder("BTC/USD")
        builder.add(make_batch((M0 + 1, 10.0), (M0 + 2, 11.0)), watermark_ms=M0)

        assert closes(tick(builder, M2)) == {M1: 11.0}

    def test_is_not_started_by_a_tick(self) -> None:
        builder = CandleBuilder("BTC/USD")

        assert tick(builder, M2) == []
        folded = builder.add(make_batch((M2 + 1, 10.0)), watermark_ms=M3)
        assert (folded.candles, folded.warm_up_count) == ([], 1)

    def test_reports_trades_of_its_lost_window_as_warm_up_even_later(self) -> None:
        builder = CandleBuilder("BTC/USD")
        builder.add(make_batch((M0 + 1, 10.0), (M1, 12.0)), watermark_ms=M2)
        folded = builder.add(make_batch((M0 + 2, 99.0), first_id=3), watermark_ms=M3)

        assert (folded.warm_up_count, folded.late) == (1, None)
        assert closes(folded.candles) == {M2: 12.0}


class TestBegin:
    def test_is_rounded_up_to_a_window(self) -> None:
        builder = CandleBuilder("BTC/USD")
        builder.begin(M0 + 1, previous_close=9.0)

        assert closes(tick(builder, M2)) == {M1: 9.0}

    @pytest.mark.parametrize("previous_close", [None, 99.0])
    def test_said_again_changes_nothing(self, previous_close: float | None) -> None:
        builder = begun(previous_close=9.0)
        builder.add(make_batch((M0, 10.0), (M1, 11.0)), watermark_ms=M1)
        before = builder.snapshot()

        assert builder.begin(M0, previous_close=previous_close) == 0
        assert builder.begin(M1, previous_close=previous_close) == 0
        assert builder.snapshot() == before

    def test_of_a_later_moment_gives_up_the_windows_in_between(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0), (M1, 11.0)), watermark_ms=M1)

        assert builder.begin(M4, previous_close=14.0) == 3
        assert closes(tick(builder, M5)) == {M4: 14.0}

    def test_of_a_later_moment_keeps_the_windows_after_it(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0), (M2, 12.0)), watermark_ms=M0)

        assert builder.begin(M2, previous_close=11.0) == 2
        assert closes(tick(builder, M3)) == {M2: 12.0}

    def test_without_a_previous_close_keeps_the_one_that_is_known(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0), (M1, 11.0)), watermark_ms=M1)

        builder.begin(M3, previous_close=None)

        assert closes(tick(builder, M4)) == {M3: 11.0}

    def test_makes_trades_from_before_it_no_late_ones(self) -> None:
        builder = begun()
        builder.begin(M2, previous_close=11.0)

        folded = builder.add(make_batch((M1, 10.0), (M2, 12.0)), watermark_ms=M3)

        assert (folded.warm_up_count, folded.late) == (1, None)
        assert closes(folded.candles) == {M2: 12.0}

    def test_may_be_behind_the_watermark(self) -> None:
        builder = CandleBuilder("BTC/USD")
        tick(builder, M3)
        builder.begin(M1, previous_close=9.0)

        assert closes(tick(builder, M0)) == {M1: 9.0, M2: 9.0}


class TestIds:
    def fold(self, *ids: int, watermark_ms: int = M1) -> Folded:
        trades = [(M0, float(number)) for number in range(1, len(ids) + 1)]
        return begun().add(make_batch(*trades, ids=ids), watermark_ms=watermark_ms)

    @pytest.mark.parametrize(
        ("ids", "duplicates"),
        [((1, 1), 1), ((1, 2, 2, 3), 1), ((1, 2, 3, 1, 2, 3), 3), ((5, 4, 3, 6), 2)],
    )
    def test_seen_before_in_the_batch_are_dropped_and_counted(
        self, ids: tuple[int, ...], duplicates: int
    ) -> None:
        folded = self.fold(*ids)

        assert folded.duplicate_count == duplicates
        assert folded.candles[0].trade_count == len(ids) - duplicates

    def test_seen_in_an_earlier_batch_are_dropped_and_counted(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0), (M0, 11.0)), watermark_ms=M0)
        folded = builder.add(make_batch((M0, 11.0), (M0, 12.0), first_id=2), watermark_ms=M1)

        assert folded.duplicate_count == 1
        assert (folded.candles[0].trade_count, folded.candles[0].close) == (3, 12.0)
        assert builder.last_trade_id == 3

    def test_of_closed_windows_are_duplicates_and_not_late(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0)), watermark_ms=M2)
        folded = builder.add(make_batch((M0, 10.0)), watermark_ms=M2)

        assert (folded.duplicate_count, folded.late, folded.candles) == (1, None, [])

    def test_that_two_different_trades_claim_belong_to_the_first(self) -> None:
        assert self.fold(1, 1).candles[0].close == 1.0

    @pytest.mark.parametrize(
        ("ids", "missing"),
        [((1, 2, 3), 0), ((7, 8), 0), ((1, 3), 1), ((1, 4, 9), 6), ((5, 5, 8), 2), ((0, 3, 5), 1)],
    )
    def test_jumped_over_are_counted_from_the_first_that_is_known(
        self, ids: tuple[int, ...], missing: int
    ) -> None:
        assert self.fold(*ids).missing_count == missing

    def test_jumped_over_between_batches_are_counted(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0), first_id=1), watermark_ms=M0)

        assert builder.add(make_batch((M0, 10.0), first_id=5), watermark_ms=M0).missing_count == 3

    def test_that_are_unknown_never_make_a_duplicate(self) -> None:
        folded = self.fold(0, 0, 0)

        assert (folded.duplicate_count, folded.missing_count) == (0, 0)
        candle = folded.candles[0]
        assert (candle.trade_count, candle.first_trade_id, candle.last_trade_id) == (3, 0, 0)

    def test_that_are_unknown_may_stand_between_known_ones(self) -> None:
        folded = self.fold(0, 5, 0, 6, 6, 0)

        assert (folded.duplicate_count, folded.missing_count) == (1, 0)
        candle = folded.candles[0]
        assert (candle.trade_count, candle.first_trade_id, candle.last_trade_id) == (5, 5, 6)


class TestLateTrades:
    def test_are_reported_and_change_no_candle(self) -> None:
        builder = begun()
        builder.add(make_batch((M0, 10.0)), watermark_ms=M2)
        late = make_batch((M0 + 1, 99.0), (M1, 98.0), first_id=2)

        folded = builder.add(
            TradeBatch.concatenate("BTC/USD", [late, make_batch((M2, 11.0), first_id=4)]),
            watermark_ms=M4,
        )

        assert folded.late is not None
        assert columns_of(folded.late) == columns_of(late)
        assert closes(folded.candles) == {M2: 11.0, M3: 11.0}

    def test_are_not_those_of_a_window_that_is_still_open(self) -> None:
        builder = begun()
        tick(builder, M1 - 1)
        folded = builder.add(make_batch((M0, 10.0)), watermark_ms=M1)

        assert folded.late is None
        assert closes(folded.candles) == {M0: 10.0}


class TestKeptState:
    def test_goes_on_where_it_was_taken(self) -> None:
        builder = begun(previous_close=9.0)
        builder.add(make_batch((M1, 10.0), (M3, 11.0)), watermark_ms=M1)

        twin = kept_twin(builder)

        assert (twin.last_trade_id, twin.watermark_ms) == (2, M1)
        assert tick(twin, M4) == tick(builder, M4)

    def test_of_nothing_is_nothing(self) -> None:
        assert tick(kept_twin(CandleBuilder("BTC/USD")), M4) == []

    def test_stays_small_however_many_trades_a_window_has(self) -> None:
        builder = begun()
        trades = [(M0, 100.1 + number / 10) for number in range(5_000)]
        builder.add(make_batch(*trades, quantity=0.1), watermark_ms=M0)

        assert len(builder.snapshot()) < 250

    def test_of_windows_of_another_length_is_refused(self) -> None:
        snapshot = begun().snapshot()

        with pytest.raises(ConfigurationError, match=r"BTC/USD has windows of 60000 ms, .* 5000"):
            CandleBuilder.restore("BTC/USD", snapshot, window_ms=5_000)
