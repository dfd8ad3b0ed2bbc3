"""A historical run: offline only, in large batches, once each, and it ends."""

from collections.abc import Mapping

import pytest

from candlecast.errors import TransientError
from candlecast.messaging.candle_record import EndOfStream
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, minutes_of
from candlecast.testing.waiting import eventually
from kafka_to_feature_store import historical_run
from kafka_to_feature_store.consumer import GroupMember

from .candle_topic import QNT, SOL, CandleTopic, make_candles
from .service_thread import PATIENCE_SECONDS, HookedStore, service_thread

pytestmark = pytest.mark.broker

PRODUCTS = (BTC, ETH, SOL, QNT)
HISTORICAL = {"live_or_historical": "historical", "product_ids": PRODUCTS}
MINUTES = 1_000


def send_history(topic: CandleTopic, *product_ids: str) -> None:
    topic.send(make_candles(1, MINUTES, product_ids=product_ids))
    topic.send([EndOfStream(product_id) for product_id in product_ids])


def assert_history(store: HookedStore, *product_ids: str) -> None:
    for product_id in product_ids:
        rows = store.read_offline(GROUP, product_id, *FOREVER)
        assert minutes_of(rows) == list(range(1, MINUTES + 1))
        assert len(store.read_online(GROUP, product_id, *FOREVER)) == 0


def test_a_run_is_written_offline_in_one_batch_and_ends_when_every_end_is_committed(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    send_history(topic, *PRODUCTS)
    with service_thread(topic, store, **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
    assert store.written_rows == [4 * MINUTES]
    assert_history(store, *PRODUCTS)
    assert topic.committed() == {0: MINUTES + 1, 1: 2 * MINUTES + 2, 2: MINUTES + 1}


def test_a_run_does_not_end_before_its_last_product_has(topic: CandleTopic) -> None:
    store = HookedStore()
    send_history(topic, BTC, ETH, QNT)
    with service_thread(topic, store, **HISTORICAL, batch_seconds=0.5) as service:
        eventually(lambda: sum(topic.committed().values()) == 3 * MINUTES + 3, "three products")
        assert not service.ended.done()
        # Beside ETH/USD, which has ended, on the same partition.
        send_history(topic, SOL)
        service.ended.result(PATIENCE_SECONDS)
    assert_history(store, *PRODUCTS)


def test_a_run_that_was_complete_ends_at_once_and_writes_nothing(topic: CandleTopic) -> None:
    send_history(topic, *PRODUCTS)
    with service_thread(topic, HookedStore(), **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
    store = HookedStore()
    with service_thread(topic, store, **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
    assert store.written_rows == []


def test_a_run_that_was_interrupted_goes_on_with_what_was_not_committed(
    topic: CandleTopic,
) -> None:
    first, second = HookedStore(), HookedStore()
    send_history(topic, BTC, ETH)
    with service_thread(topic, first, **HISTORICAL) as service:
        eventually(lambda: service.metric("waiting_rows") == 2 * MINUTES, "everything read")
        service.end()
    assert first.written_rows == [2 * MINUTES]
    send_history(topic, SOL, QNT)
    with service_thread(topic, second, **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
    assert second.written_rows == [2 * MINUTES]
    assert_history(first, BTC, ETH)
    assert_history(second, SOL, QNT)


def test_large_histories_go_in_batches_of_the_size_that_is_set(topic: CandleTopic) -> None:
    store = HookedStore()
    send_history(topic, *PRODUCTS)
    with service_thread(topic, store, **HISTORICAL, batch_size=1_500) as service:
        service.ended.result(PATIENCE_SECONDS)
    assert store.written_rows == [1_500, 1_500, 1_000]
    assert_history(store, *PRODUCTS)


def test_a_run_does_not_end_before_the_store_has_everything(topic: CandleTopic) -> None:
    store, refusals = HookedStore(), iter(range(3))

    def refuse(_: str) -> None:
        if next(refusals, None) is not None:
            raise TransientError("the disk is full")

    store.hook = refuse
    send_history(topic, *PRODUCTS)
    with service_thread(topic, store, **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
        assert service.metric("store_errors_total", operation="write") == 3
    assert_history(store, *PRODUCTS)


def test_two_processes_may_share_a_run_and_both_end(
    topic: CandleTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a job is started anew before its first process has gone."""
    monkeypatch.setattr(historical_run, "_QUIET_SECONDS", 0.5)
    store = HookedStore()
    with (
        service_thread(topic, store, **HISTORICAL, batch_seconds=0.5) as first,
        service_thread(topic, store, **HISTORICAL, batch_seconds=0.5) as second,
    ):
        eventually(lambda: first.is_assigned, "the first member")
        eventually(lambda: second.is_assigned, "the second member")
        send_history(topic, *PRODUCTS)
        first.ended.result(PATIENCE_SECONDS)
        second.ended.result(PATIENCE_SECONDS)
    assert_history(store, *PRODUCTS)


def test_an_end_that_could_not_be_committed_is_committed_again_before_the_run_ends(
    topic: CandleTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, refusals = GroupMember.commit, iter(["not now", "nor now"])

    def refuse_twice(member: GroupMember, next_offsets: Mapping[int, int]) -> None:
        if (reason := next(refusals, None)) is None:
            commit(member, next_offsets)
        else:
            member._on_commit(reason)

    monkeypatch.setattr(GroupMember, "commit", refuse_twice)
    send_history(topic, *PRODUCTS)
    with service_thread(topic, HookedStore(), **HISTORICAL) as service:
        service.ended.result(PATIENCE_SECONDS)
        assert service.metric("errors_total") == 2
    assert sum(topic.committed().values()) == 4 * MINUTES + 4
