"""A store that is full, away, slow or stuck: visible, nothing lost, and the service goes on."""

import threading
import time

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, minutes_of
from candlecast.testing.waiting import eventually
from kafka_to_feature_store import service as service_module
from kafka_to_feature_store import writer
from kafka_to_feature_store.materializer import HISTORY
from kafka_to_feature_store.writer import STORE

from .candle_topic import SOL, CandleTopic, make_candles
from .service_thread import PATIENCE_SECONDS, HookedStore, service_thread

pytestmark = pytest.mark.broker


class Trouble:
    """A hook that raises while it is on."""

    def __init__(self, *methods: str, error: Exception | None = None) -> None:
        self.is_on = True
        self.calls = 0
        self._methods = methods
        self._error = error if error is not None else TransientError("the disk is full")

    def __call__(self, method: str) -> None:
        if self.is_on and method in self._methods:
            self.calls += 1
            raise self._error


class Obstacle:
    """A hook that blocks while it stands."""

    def __init__(self, *methods: str) -> None:
        self._methods = methods
        self._gone = threading.Event()

    def __call__(self, method: str) -> None:
        if method in self._methods:
            self._gone.wait(PATIENCE_SECONDS)

    def remove(self) -> None:
        self._gone.set()


def test_a_store_that_refuses_is_shown_and_when_it_recovers_nothing_is_missing(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    store.hook = trouble = Trouble("write_online")
    topic.send(make_candles(1, 100, product_ids=(BTC, ETH, SOL)))
    with service_thread(topic, store, batch_size=20) as service:
        readiness = service.context.readiness
        eventually(lambda: service.metric("store_errors_total", operation="write") > 1, "refusals")
        assert readiness.conditions[STORE] is False
        assert readiness.degraded[STORE] == "the disk is full"
        assert topic.committed() == {}
        # Read for one batch that waits and one that is refused, and not for more.
        eventually(lambda: service.metric("waiting_rows") == 40, "held back")
        eventually(lambda: service.is_assigned, "membership")

        trouble.is_on = False
        eventually(lambda: sum(topic.committed().values()) == 300, "everything committed")
        eventually(lambda: readiness.is_ready, "ready")
        assert readiness.degraded == {}
    for product_id in (BTC, ETH, SOL):
        rows = store.read_online(GROUP, product_id, *FOREVER)
        assert minutes_of(rows) == list(range(1, 101))


def test_stopping_while_the_store_refuses_commits_nothing_and_the_next_process_goes_on(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    store.hook = trouble = Trouble("write_online")
    topic.send(make_candles(1, 5))
    with service_thread(topic, store) as service:
        eventually(lambda: service.metric("store_errors_total", operation="write") > 0, "refusal")
        started_seconds = time.monotonic()
        service.end()
        assert time.monotonic() - started_seconds < 3.0
    assert topic.committed() == {}
    trouble.is_on = False
    with service_thread(topic, store):
        eventually(lambda: topic.committed() == {0: 5}, "everything committed")
    assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("method", ["write_online", "materialize"])
def test_a_stop_does_not_wait_for_a_call_of_the_store_that_hangs(
    topic: CandleTopic, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(service_module, "_LAST_WRITE_SECONDS", 0.5)
    monkeypatch.setattr(service_module, "_LAST_MATERIALIZATION_SECONDS", 0.5)
    store = HookedStore()
    store.hook = obstacle = Obstacle(method)
    topic.send(make_candles(1, 5))
    with service_thread(topic, store) as service:
        eventually(lambda: service.metric("records_in_total") == 5, "the candles")
        started_seconds = time.monotonic()
        service.end()
        assert time.monotonic() - started_seconds < 3.0
        assert topic.committed() == ({} if method == "write_online" else {0: 5})
        obstacle.remove()


def test_the_main_loop_turns_while_a_write_takes_long(
    topic: CandleTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SLOW_SECONDS", 0.5)
    store = HookedStore()
    store.hook = obstacle = Obstacle("write_online")
    with service_thread(topic, store, batch_size=2) as service:
        topic.send(make_candles(1, 50))
        eventually(lambda: service.metric("waiting_rows") == 4, "two full batches")
        service.context.heartbeat.dead_after_seconds = 2.0
        eventually(lambda: STORE in service.context.readiness.degraded, "a remark")
        assert service.context.heartbeat.is_alive
        assert service.context.readiness.conditions[STORE] is False
        obstacle.remove()
        eventually(lambda: topic.committed() == {0: 50}, "everything committed")
        eventually(lambda: service.context.readiness.is_ready, "ready")


def test_a_slow_materialization_does_not_delay_live_rows(topic: CandleTopic) -> None:
    store = HookedStore()
    store.hook = obstacle = Obstacle("materialize")
    with service_thread(topic, store, materialize_seconds=0.1):
        topic.send(make_candles(1, 5))
        eventually(lambda: topic.committed() == {0: 5}, "everything committed")
        assert len(store.read_online(GROUP, BTC, *FOREVER)) == 5
        assert len(store.read_offline(GROUP, BTC, *FOREVER)) == 0
        obstacle.remove()
        eventually(lambda: len(store.read_offline(GROUP, BTC, *FOREVER)) == 5, "the history")


def test_a_failing_materialization_is_remarked_on_and_stops_no_live_row(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    store.hook = trouble = Trouble("materialize")
    with service_thread(topic, store, materialize_seconds=0.1) as service:
        topic.send(make_candles(1, 5))
        eventually(lambda: trouble.calls > 2, "failures")
        topic.send(make_candles(6, 5))
        eventually(lambda: topic.committed() == {0: 10}, "everything committed")
        assert service.context.readiness.conditions[STORE] is True
        assert service.context.readiness.degraded == {HISTORY: "the disk is full"}
        assert service.metric("store_errors_total", operation="materialize") > 2
        trouble.is_on = False
        eventually(lambda: len(store.read_offline(GROUP, BTC, *FOREVER)) == 10, "the history")
        eventually(lambda: service.context.readiness.degraded == {}, "no remark")


def test_a_store_that_says_how_long_to_leave_it_alone_is_left_alone(topic: CandleTopic) -> None:
    store = HookedStore()
    error = TransientError("busy", retry_after_seconds=3600.0)
    store.hook = trouble = Trouble("write_online", error=error)
    topic.send(make_candles(1, 5))
    with service_thread(topic, store) as service:
        eventually(lambda: service.metric("store_errors_total", operation="write") == 1, "refusal")
        topic.send(make_candles(6, 5))
        eventually(lambda: service.metric("waiting_rows") == 10, "more candles")
        assert trouble.calls == 1


@pytest.mark.parametrize("method", ["write_online", "materialize"])
def test_a_store_that_will_never_take_the_rows_ends_the_service(
    topic: CandleTopic, method: str
) -> None:
    store = HookedStore()
    store.hook = Trouble(method, error=ConfigurationError("not our columns"))
    topic.send(make_candles(1, 5))
    with (
        service_thread(topic, store, materialize_seconds=0.2) as service,
        pytest.raises(ConfigurationError, match="not our columns"),
    ):
        service.ended.result(PATIENCE_SECONDS)
