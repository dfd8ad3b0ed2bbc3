"""The service live: online at once, offline now and then, committed when stored."""

import threading

import pytest

from candlecast.messaging.candle_record import EndOfStream
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, closes_of, minutes_of
from candlecast.testing.waiting import eventually

from .candle_topic import QNT, SOL, CandleTopic, make_candles
from .service_thread import HookedStore, service_thread

pytestmark = pytest.mark.broker


def test_live_candles_are_online_and_committed_and_not_yet_in_the_history(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    topic.send(make_candles(1, 10, product_ids=(BTC, ETH, SOL)))
    with service_thread(topic, store) as service:
        eventually(lambda: topic.committed() == {0: 10, 1: 20}, "everything committed")
        for product_id in (BTC, ETH, SOL):
            rows = store.read_online(GROUP, product_id, *FOREVER)
            assert minutes_of(rows) == list(range(1, 11))
            assert len(store.read_offline(GROUP, product_id, *FOREVER)) == 0
        eventually(lambda: service.context.readiness.is_ready, "ready")
        assert service.metric("records_in_total") == 30
        assert service.metric("rows_out_total", product_id=ETH) == 10
        assert service.metric("newest_row_seconds", product_id=ETH) == 11 * 60
        assert service.metric("waiting_rows") == 0


def test_live_rows_are_materialized_now_and_then_and_once_more_at_the_end(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    with service_thread(topic, store, materialize_seconds=0.2) as service:
        topic.send(make_candles(1, 3))
        eventually(lambda: len(store.read_offline(GROUP, BTC, *FOREVER)) == 3, "the history")
        eventually(lambda: service.metric("materialized_rows_total") == 3, "the count")
    with service_thread(topic, store) as service:
        topic.send(make_candles(4, 2))
        eventually(lambda: topic.committed() == {0: 5}, "everything committed")
        assert len(store.read_offline(GROUP, BTC, *FOREVER)) == 3
        service.end()
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [1, 2, 3, 4, 5]


def test_a_candle_that_was_corrected_ends_up_corrected(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send([*make_candles(1, 5), *make_candles(2, 2, close=7.0)])
    with service_thread(topic, store, batch_size=3):
        eventually(lambda: topic.committed() == {0: 7}, "everything committed")
        assert closes_of(store.read_online(GROUP, BTC, *FOREVER)) == [1.5, 7.0, 7.0, 1.5, 1.5]


def test_what_was_committed_is_not_written_again(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send(make_candles(1, 5))
    with service_thread(topic, store) as service:
        eventually(lambda: topic.committed() == {0: 5}, "everything committed")
        service.end()
    topic.send(make_candles(6, 2))
    with service_thread(topic, store):
        eventually(lambda: topic.committed() == {0: 7}, "everything committed")
    assert sum(store.written_rows) == 7


def test_a_stop_writes_and_commits_what_was_read(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send(make_candles(1, 5))
    with service_thread(topic, store, batch_seconds=3600.0) as service:
        eventually(lambda: service.metric("waiting_rows") == 5, "everything read")
        assert store.written_rows == []
        service.end()
    assert store.written_rows == [5]
    assert topic.committed() == {0: 5}


def test_the_end_of_a_stream_is_nothing_to_a_live_service(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send([*make_candles(1, 2), EndOfStream(BTC)])
    with service_thread(topic, store):
        eventually(lambda: topic.committed() == {0: 3}, "everything committed")
        topic.send(make_candles(3, 1))
        eventually(lambda: topic.committed() == {0: 4}, "more committed")
    assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == [1, 2, 3]


def test_a_backlog_many_times_the_batch_arrives_whole_through_a_slow_store(
    topic: CandleTopic,
) -> None:
    """Once the store takes longer than a full batch waits, and reading is held back."""
    store = HookedStore()
    slow = threading.Event()

    def hook(method: str) -> None:
        if method == "write_online" and len(store.written_rows) == 3:
            slow.wait(0.5)

    store.hook = hook
    products = (BTC, ETH, SOL, QNT)
    topic.send(make_candles(1, 500, product_ids=products))
    with service_thread(topic, store, batch_size=50):
        eventually(lambda: sum(topic.committed().values()) == 2_000, "everything committed")
    assert max(store.written_rows) == 50
    assert sum(store.written_rows) == 2_000
    for product_id in products:
        rows = store.read_online(GROUP, product_id, *FOREVER)
        assert minutes_of(rows) == list(range(1, 501))
