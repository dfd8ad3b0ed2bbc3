"""Several processes in one consumer group: partitions change hands, nothing is lost."""

import itertools
import threading

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast.testing.in_memory_feature_store import InMemoryFeatureData
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, minutes_of
from candlecast.testing.waiting import eventually

from .candle_topic import PARTITIONS, QNT, CandleTopic, make_candles
from .service_thread import PATIENCE_SECONDS, HookedStore, RunningService, service_thread

pytestmark = pytest.mark.broker

PRODUCTS = (BTC, ETH, QNT)
"""Each has a partition of its own."""


class TroubledStore(HookedStore):
    """Refuses to write until it is told not to."""

    def __init__(self) -> None:
        self.data = InMemoryFeatureData()
        super().__init__(self.data)
        self.is_broken = True
        self.hook = self._refuse

    def _refuse(self, _: str) -> None:
        if self.is_broken:
            raise TransientError("the disk is full")


def assert_whole(store: HookedStore, minutes: int) -> None:
    for product_id in PRODUCTS:
        rows = store.read_online(GROUP, product_id, *FOREVER)
        assert minutes_of(rows) == list(range(1, minutes + 1))


def assert_everything_committed(topic: CandleTopic, minutes: int, *, seconds: float = 30.0) -> None:
    everything = dict.fromkeys(range(PARTITIONS), minutes)
    eventually(lambda: topic.committed() == everything, "everything committed", seconds=seconds)


def has_stored(service: RunningService, *product_ids: str) -> bool:
    return all(service.metric("rows_out_total", product_id=each) > 0 for each in product_ids)


def test_a_second_process_joins_and_leaves_while_candles_come_and_none_is_missing(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    minutes = itertools.count(1)

    def stores_more(service: RunningService) -> bool:
        topic.send(make_candles(next(minutes), 1, product_ids=PRODUCTS))
        return any(has_stored(service, product_id) for product_id in PRODUCTS)

    with service_thread(topic, store) as first:
        eventually(lambda: stores_more(first), "rows of the first process")
        with service_thread(topic, store) as second:
            eventually(lambda: stores_more(second), "rows of the second process")
        last = next(minutes)
        topic.send(make_candles(last, 1, product_ids=PRODUCTS))
        assert_everything_committed(topic, last)
    assert_whole(store, last)


def test_a_process_that_comes_back_under_its_name_gets_its_partitions_at_once(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    names = [{"kafka_group_instance_id": f"{topic.name}-{number}"} for number in range(2)]
    with service_thread(topic, store, **names[0]) as first:
        with service_thread(topic, store, **names[1]) as second:
            eventually(lambda: first.is_assigned and second.is_assigned, "both members")
        topic.send(make_candles(1, 5, product_ids=PRODUCTS))
        with service_thread(topic, store, **names[1]):
            # Less than the ten seconds after which it would have been given up.
            assert_everything_committed(topic, 5, seconds=8.0)
    assert_whole(store, 5)


def test_a_partition_that_is_taken_while_the_store_refuses_is_forgotten_and_read_when_it_returns(
    topic: CandleTopic,
) -> None:
    store = TroubledStore()
    topic.send(make_candles(1, 10, product_ids=PRODUCTS))
    with service_thread(topic, store, batch_size=15) as first:
        eventually(lambda: first.metric("waiting_rows") == 30, "everything read, and held back")
        with service_thread(topic, HookedStore(store.data)) as second:
            eventually(lambda: topic.committed() != {}, "partitions of the second process")
            eventually(lambda: first.metric("waiting_rows") < 30, "forgotten rows")
            store.is_broken = False
            assert_everything_committed(topic, 10)
            for product_id in PRODUCTS:
                rows = [
                    each.metric("rows_out_total", product_id=product_id) for each in (first, second)
                ]
                assert sorted(rows) == [0, 10]
        topic.send(make_candles(11, 10, product_ids=PRODUCTS))
        assert_everything_committed(topic, 20)
    assert_whole(store, 20)


def test_a_write_that_is_going_on_lands_before_the_partition_is_somebody_elses(
    topic: CandleTopic,
) -> None:
    data = InMemoryFeatureData()
    slow, fast = HookedStore(data), HookedStore(data)
    landed: list[str] = []
    second_has_landed = threading.Event()

    def land_late(_: str) -> None:
        second_has_landed.wait(2.5)  # longer than a rebalance takes
        landed.append("first")

    def land(_: str) -> None:
        landed.append("second")
        second_has_landed.set()

    slow.hook, fast.hook = land_late, land
    topic.send(make_candles(1, 5, product_ids=PRODUCTS))
    with service_thread(topic, slow) as first:
        eventually(lambda: first.metric("waiting_rows") == 15, "everything read")
        with service_thread(topic, fast):
            assert_everything_committed(topic, 5)
    assert landed[:2] == ["first", "second"]


def test_of_two_processes_under_one_name_the_older_one_ends_and_says_why(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    name = f"{topic.name}-0"
    with service_thread(topic, store, kafka_group_instance_id=name) as first:
        eventually(lambda: first.is_assigned, "the first process")
        with service_thread(topic, store, kafka_group_instance_id=name):
            with pytest.raises(ConfigurationError, match=rf"KAFKA_GROUP_INSTANCE_ID={name}: .*an"):
                first.ended.result(PATIENCE_SECONDS)
            topic.send(make_candles(1, 3))
            eventually(lambda: topic.committed() == {0: 3}, "the second process goes on")
