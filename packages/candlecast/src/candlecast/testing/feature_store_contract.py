"""What every adapter of the feature store must do, as a test suite.

Subclass `FeatureStoreContract` in a test module and give the fixture `open_store`:

    class TestLocalFeatureStore(FeatureStoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: LocalFeatureStore(tmp_path / "store", "simulator")
"""

# ruff: noqa: D102 - the names of tests are their documentation

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.market.time_grid import MINUTE_MS
from candlecast.store.candle_rows import candles_to_rows, rows_to_candles
from candlecast.store.feature_group import (
    PRODUCT_ID,
    TIMESTAMP_MS,
    Column,
    ColumnType,
    FeatureGroup,
    ohlc_feature_group,
)
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.feature_store import FeatureStore
from candlecast.testing.feature_store_model import FeatureStoreModel, Step, apply_step, steps
from candlecast.testing.stored_candles import (
    BTC,
    ETH,
    FOREVER,
    GROUP,
    closes_of,
    make_candle,
    make_rows,
    minutes_of,
)

OpenStore = Callable[[], FeatureStore]

MONTH_END_MINUTE = 28_401_120
"""The first minute of 2024; a range around it crosses a month and a year."""


class FeatureStoreContract:
    """The suite; see the module for how to use it."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Return a function that opens the same, at first empty, store each time."""
        raise NotImplementedError

    @pytest.fixture
    def group_numbers(self) -> Iterator[int]:
        """Return numbers for groups that nobody has used."""
        return itertools.count(2)

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[FeatureStore]:
        """Return an open, empty store."""
        with open_store() as store:
            yield store

    # ---- upserts and reads

    def test_an_empty_store_has_nothing(self, store: FeatureStore) -> None:
        assert len(store.read_online(GROUP, BTC, *FOREVER)) == 0
        assert len(store.read_online_latest(GROUP, BTC, 5)) == 0
        assert len(store.read_offline(GROUP, BTC, *FOREVER)) == 0
        assert len(store.read_all(GROUP, BTC, *FOREVER)) == 0
        assert store.product_ids(GROUP) == ()
        assert store.newest_timestamp_ms(GROUP, BTC) is None
        assert store.materialize(GROUP) == 0

    def test_candles_come_back_exactly_from_both_sides(self, store: FeatureStore) -> None:
        candles = [make_candle(minute, close=1 / (minute % 7 + 3)) for minute in range(50)]
        store.write_online(GROUP, candles_to_rows(candles))
        store.materialize(GROUP)
        assert rows_to_candles(store.read_online(GROUP, BTC, *FOREVER)) == candles
        assert rows_to_candles(store.read_offline(GROUP, BTC, *FOREVER)) == candles
        assert rows_to_candles(store.read_all(GROUP, BTC, *FOREVER)) == candles

    def test_an_online_row_is_readable_at_once(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(0, close=1.0))
        store.write_online(GROUP, make_rows(0, close=2.0))
        assert closes_of(store.read_online(GROUP, BTC, *FOREVER)) == [2.0]
        assert closes_of(store.read_all(GROUP, BTC, *FOREVER)) == [2.0]

    def test_an_offline_row_replaces_the_one_before(self, store: FeatureStore) -> None:
        store.write_offline(GROUP, make_rows(0, 3, close=1.0))
        store.write_offline(GROUP, make_rows(1, 3, close=2.0))
        assert closes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [1.0, 2.0, 2.0, 2.0]

    def test_the_last_of_equal_keys_in_one_batch_wins(self, store: FeatureStore) -> None:
        twice = candles_to_rows([make_candle(0, close=1.0), make_candle(0, close=2.0)])
        store.write_online(GROUP, twice)
        store.write_offline(GROUP, twice)
        assert closes_of(store.read_online(GROUP, BTC, *FOREVER)) == [2.0]
        assert closes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [2.0]

    def test_a_range_holds_its_start_but_not_its_end(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(0, 10))
        store.materialize(GROUP)
        start_ms, end_ms = 3 * MINUTE_MS, 6 * MINUTE_MS  # of timestamp_ms, the windows' ends
        for read in (store.read_online, store.read_offline, store.read_all):
            assert minutes_of(read(GROUP, BTC, start_ms, end_ms)) == [2, 3, 4]
            assert len(read(GROUP, BTC, start_ms, start_ms)) == 0
            assert len(read(GROUP, BTC, end_ms, start_ms)) == 0

    def test_rows_come_back_ordered_by_time(self, store: FeatureStore) -> None:
        for minute in (5, 1, 9, 0, 7):
            store.write_online(GROUP, make_rows(minute))
            store.write_offline(GROUP, make_rows(minute + 20))
        in_order = [0, 1, 5, 7, 9]
        assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == in_order
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [m + 20 for m in in_order]
        assert minutes_of(store.read_all(GROUP, BTC, *FOREVER)) == in_order + [
            m + 20 for m in in_order
        ]

    def test_a_range_may_cross_the_end_of_a_month(self, store: FeatureStore) -> None:
        store.write_offline(GROUP, make_rows(MONTH_END_MINUTE - 10, 20))
        rows = store.read_offline(GROUP, BTC, *FOREVER)
        assert minutes_of(rows) == list(range(MONTH_END_MINUTE - 10, MONTH_END_MINUTE + 10))

    def test_latest_online_rows_are_the_newest_in_order(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(0, 10))
        store.write_online(GROUP, make_rows(100, 1, product_id=ETH))
        assert minutes_of(store.read_online_latest(GROUP, BTC, 3)) == [7, 8, 9]
        assert minutes_of(store.read_online_latest(GROUP, BTC, 30)) == list(range(10))
        assert len(store.read_online_latest(GROUP, BTC, 0)) == 0

    def test_products_do_not_touch_each_other(self, store: FeatureStore) -> None:
        odd_name = "O'DD \"% /\\USD"
        for number, product_id in enumerate((BTC, ETH, odd_name)):
            rows = make_rows(0, 3, product_id=product_id, close=float(number + 1))
            store.write_online(GROUP, rows)
            store.write_offline(GROUP, rows)
        for number, product_id in enumerate((BTC, ETH, odd_name)):
            for read in (store.read_online, store.read_offline, store.read_all):
                assert closes_of(read(GROUP, product_id, *FOREVER)) == [number + 1.0] * 3
        assert store.product_ids(GROUP) == tuple(sorted((BTC, ETH, odd_name)))

    def test_groups_and_versions_do_not_touch_each_other(self, store: FeatureStore) -> None:
        other_columns = (*GROUP.columns[:2], Column("predicted_price", ColumnType.FLOAT64))
        predictions = FeatureGroup("price_predictions", 1, other_columns)
        next_version = ohlc_feature_group(version=2)
        row = FeatureRows.from_columns(
            other_columns, {PRODUCT_ID: [ETH], TIMESTAMP_MS: [60_000], "predicted_price": [7.5]}
        )
        store.write_online(predictions, row)
        store.write_offline(next_version, make_rows(3))
        store.materialize(predictions)
        assert store.product_ids(GROUP) == ()
        assert store.product_ids(predictions) == (ETH,)
        assert minutes_of(store.read_all(next_version, BTC, *FOREVER)) == [3]
        stored = store.read_offline(predictions, ETH, *FOREVER)
        assert stored.to_tuples() == [(ETH, 60_000, 7.5)]

    def test_newest_timestamp_looks_at_both_sides(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(10))
        store.write_offline(GROUP, make_rows(20, product_id=ETH))
        store.write_offline(GROUP, make_rows(5))
        assert store.newest_timestamp_ms(GROUP, BTC) == 11 * MINUTE_MS
        assert store.newest_timestamp_ms(GROUP, ETH) == 21 * MINUTE_MS
        assert store.newest_timestamp_ms(GROUP, "SOL/USD") is None

    def test_an_empty_batch_changes_nothing(self, store: FeatureStore) -> None:
        nothing = FeatureRows.empty(GROUP.columns)
        store.write_online(GROUP, nothing)
        store.write_offline(GROUP, nothing)
        assert store.materialize(GROUP) == 0
        assert store.product_ids(GROUP) == ()

    def test_rows_of_other_columns_are_refused(self, store: FeatureStore) -> None:
        key_only = GROUP.columns[:2]
        rows = FeatureRows.from_columns(key_only, {PRODUCT_ID: [BTC], TIMESTAMP_MS: [0]})
        for write in (store.write_online, store.write_offline):
            with pytest.raises(InvalidMessageError, match="do not belong to feature group"):
                write(GROUP, rows)
        assert store.product_ids(GROUP) == ()

    # ---- online and offline

    def test_an_offline_write_never_shows_online(self, store: FeatureStore) -> None:
        store.write_offline(GROUP, make_rows(0, 3))
        assert store.materialize(GROUP) == 0
        assert len(store.read_online(GROUP, BTC, *FOREVER)) == 0
        assert len(store.read_online_latest(GROUP, BTC, 1)) == 0
        assert len(store.read_all(GROUP, BTC, *FOREVER)) == 3

    def test_online_rows_reach_the_history_once(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(0, 3))
        assert store.materialize(GROUP) == 3
        assert store.materialize(GROUP) == 0
        store.write_online(GROUP, make_rows(2, 2, close=9.0))
        assert store.materialize(GROUP) == 2
        assert closes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [1.5, 1.5, 9.0, 9.0]
        assert closes_of(store.read_online(GROUP, BTC, *FOREVER)) == [1.5, 1.5, 9.0, 9.0]

    def test_all_includes_what_is_not_materialized_yet(self, store: FeatureStore) -> None:
        store.write_online(GROUP, make_rows(0, 2, close=1.0))
        store.materialize(GROUP)
        store.write_online(GROUP, make_rows(1, 2, close=2.0))
        assert closes_of(store.read_all(GROUP, BTC, *FOREVER)) == [1.0, 2.0, 2.0]

    def test_a_later_offline_write_outlives_a_pending_online_row(self, store: FeatureStore) -> None:
        """A repaired minute must not be undone by the materialisation of the broken one."""
        store.write_online(GROUP, make_rows(0, 2, close=1.0))
        store.write_offline(GROUP, make_rows(0, 1, close=2.0))
        assert closes_of(store.read_all(GROUP, BTC, *FOREVER)) == [2.0, 1.0]
        store.materialize(GROUP)
        assert closes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [2.0, 1.0]

    # ---- several opens, threads, crashes

    def test_a_store_left_without_closing_has_everything(self, open_store: OpenStore) -> None:
        abandoned = open_store()
        abandoned.write_offline(GROUP, make_rows(0, 2))
        abandoned.write_online(GROUP, make_rows(2, 2))
        abandoned.materialize(GROUP)
        abandoned.write_online(GROUP, make_rows(4, 2))
        with open_store() as store:
            assert minutes_of(store.read_all(GROUP, BTC, *FOREVER)) == list(range(6))
            assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == [2, 3, 4, 5]
            assert store.materialize(GROUP) == 2
            assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == list(range(6))
        abandoned.close()

    def test_closing_twice_does_no_harm(self, open_store: OpenStore) -> None:
        store = open_store()
        store.write_online(GROUP, make_rows(0))
        store.close()
        store.close()

    def test_a_live_and_a_historical_writer_work_at_once(self, open_store: OpenStore) -> None:
        batch_rows, batches, live_rows = 30, 10, 40

        def write_history() -> None:
            with open_store() as store:
                for batch in range(batches):
                    store.write_offline(GROUP, make_rows(batch * batch_rows, batch_rows))

        def write_live() -> None:
            first_minute = batches * batch_rows
            with open_store() as store:
                for minute in range(first_minute, first_minute + live_rows):
                    store.write_online(GROUP, make_rows(minute))
                    if minute % 5 == 0:
                        store.materialize(GROUP)

        _run_at_once(write_history, write_live)
        with open_store() as store:
            store.materialize(GROUP)
            expected = list(range(batches * batch_rows + live_rows))
            assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == expected
            assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == expected[-live_rows:]

    def test_a_reader_sees_whole_batches_in_order(self, open_store: OpenStore) -> None:
        batch_rows, batches = 20, 15
        is_done = threading.Event()

        def write() -> None:
            try:
                with open_store() as store:
                    for batch in range(batches):
                        write_to = store.write_offline if batch % 3 else store.write_online
                        write_to(GROUP, make_rows(batch * batch_rows, batch_rows))
                        store.materialize(GROUP)
            finally:
                is_done.set()

        def read() -> None:
            seen_rows = 0
            with open_store() as store:
                while not is_done.is_set():
                    minutes = minutes_of(store.read_all(GROUP, BTC, *FOREVER))
                    assert minutes == list(range(len(minutes)))
                    assert len(minutes) % batch_rows == 0
                    assert len(minutes) >= seen_rows
                    seen_rows = len(minutes)

        _run_at_once(write, read)

    def test_one_open_store_serves_several_threads(self, store: FeatureStore) -> None:
        def write(product_id: str) -> Callable[[], None]:
            def run() -> None:
                for minute in range(20):
                    store.write_online(GROUP, make_rows(minute, product_id=product_id))
                    assert len(store.read_all(GROUP, product_id, *FOREVER)) == minute + 1
                    if minute % 7 == 0:
                        store.materialize(GROUP)

            return run

        _run_at_once(write(BTC), write(ETH))
        store.materialize(GROUP)
        for product_id in (BTC, ETH):
            rows = store.read_offline(GROUP, product_id, *FOREVER)
            assert minutes_of(rows) == list(range(20))

    # ---- any sequence of calls

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[
            HealthCheck.differing_executors,  # the suite runs once for every adapter
            HealthCheck.function_scoped_fixture,  # see the docstring
            HealthCheck.too_slow,
        ],
    )
    @given(steps=st.lists(steps(), max_size=10))
    def test_any_sequence_of_calls_equals_three_dictionaries(
        self, store: FeatureStore, group_numbers: Iterator[int], steps: list[Step]
    ) -> None:
        """Each example has a feature group of its own, so that one store serves all of them."""
        group = ohlc_feature_group(version=next(group_numbers))
        model = FeatureStoreModel()
        for step in steps:
            assert apply_step(step, store, group) == model.apply(step)
        for product_id in (BTC, ETH):
            for read, expected in (
                (store.read_online, model.online),
                (store.read_offline, model.offline),
                (store.read_all, model.everything),
            ):
                candles = rows_to_candles(read(group, product_id, *FOREVER))
                assert candles == model.candles_of(expected, product_id)


def _run_at_once(*jobs: Callable[[], None]) -> None:
    with ThreadPoolExecutor(max_workers=len(jobs)) as threads:
        for future in [threads.submit(job) for job in jobs]:
            future.result(timeout=120)
