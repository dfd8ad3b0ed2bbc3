"""The writer alone, with a store that answers when the test wants it to."""

from concurrent.futures import Future

from prometheus_client import CollectorRegistry

from candlecast.errors import TransientError
from candlecast.messaging.dead_letter import DeadLetterWriter
from candlecast.runtime.monitoring import Readiness
from candlecast.store.feature_rows import FeatureRows
from candlecast.testing.stored_candles import minutes_of
from candlecast.testing.waiting import eventually
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.batch import CandleBatch
from kafka_to_feature_store.metrics import Metrics
from kafka_to_feature_store.writer import STORE, BatchWriter

from .candle_topic import make_candle

PATIENCE_SECONDS = 20.0


class AnsweringStore:
    """Remembers the minutes it is asked to write; each write waits for the test's answer."""

    def __init__(self) -> None:
        self.writes: list[tuple[list[int], Future[None]]] = []

    def write(self, rows: FeatureRows) -> None:
        answer: Future[None] = Future()
        self.writes.append((minutes_of(rows), answer))
        answer.result(PATIENCE_SECONDS)

    def next_write(self, number: int) -> tuple[list[int], Future[None]]:
        return eventually(lambda: self.writes[number : number + 1], f"write {number}")[0]


def writer_on(store: AnsweringStore, readiness: Readiness) -> BatchWriter:
    return BatchWriter(
        store.write,
        # Nothing listens there, and nothing is put aside here.
        dead_letters=DeadLetterWriter(
            {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, input_topic="ohlc"
        ),
        calls=BackgroundCalls(),
        readiness=readiness,
        metrics=Metrics(CollectorRegistry()),
    )


def batch_of(*partitions: int) -> CandleBatch:
    """A batch with one candle of each partition, whose minute is the partition."""
    batch = CandleBatch(largest=100, longest_wait_seconds=1.0)
    for partition in partitions:
        batch.add(make_candle(partition), partition=partition, offset=10, now_seconds=0.0)
    return batch


def outcome(writer: BatchWriter, now_seconds: float) -> CandleBatch | None:
    assert writer.wait(PATIENCE_SECONDS)
    return writer.advance(now_seconds)


def test_a_batch_comes_back_when_the_store_has_it() -> None:
    store, readiness = AnsweringStore(), Readiness()
    writer, batch = writer_on(store, readiness), batch_of(1, 2)
    writer.start(batch, 0.0)
    minutes, answer = store.next_write(0)
    assert minutes == [1, 2]
    assert writer.is_busy
    assert writer.advance(1.0) is None
    assert readiness.is_ready
    answer.set_result(None)
    assert outcome(writer, 2.0) is batch
    assert not writer.is_busy


def test_what_the_store_refuses_is_written_again_after_a_pause() -> None:
    store, readiness = AnsweringStore(), Readiness()
    writer, batch = writer_on(store, readiness), batch_of(1)
    writer.start(batch, 0.0)
    store.next_write(0)[1].set_exception(TransientError("full"))
    assert outcome(writer, 0.0) is None
    assert writer.is_refused
    assert readiness.degraded == {STORE: "full"}
    writer.advance(0.01)
    assert writer.is_refused
    writer.advance(0.2)
    store.next_write(1)[1].set_result(None)
    assert outcome(writer, 1.0) is batch
    assert readiness.degraded == {}


def test_a_write_that_takes_long_is_remarked_on_and_the_remark_goes_when_it_lands() -> None:
    store, readiness = AnsweringStore(), Readiness()
    writer = writer_on(store, readiness)
    writer.start(batch_of(1), 0.0)
    answer = store.next_write(0)[1]
    writer.advance(4.9)
    assert readiness.is_ready
    writer.advance(5.0)
    assert readiness.degraded == {STORE: "a write has been going on for 5 s"}
    assert not readiness.is_ready
    answer.set_result(None)
    outcome(writer, 6.0)
    assert readiness.is_ready


def test_rows_of_a_partition_that_was_taken_away_are_not_written_again() -> None:
    store = AnsweringStore()
    writer = writer_on(store, Readiness())
    writer.start(batch_of(1, 2), 0.0)
    store.next_write(0)[1].set_exception(TransientError("full"))
    outcome(writer, 0.0)
    writer.forget({1})
    writer.advance(1.0)
    minutes, answer = store.next_write(1)
    assert minutes == [2]
    answer.set_result(None)
    written = outcome(writer, 2.0)
    assert written is not None
    assert written.next_offsets == {2: 11}


def test_offsets_of_a_partition_that_was_taken_away_during_the_write_do_not_come_back() -> None:
    store = AnsweringStore()
    writer = writer_on(store, Readiness())
    writer.start(batch_of(1, 2), 0.0)
    answer = store.next_write(0)[1]
    writer.forget({2})
    answer.set_result(None)
    written = outcome(writer, 1.0)
    assert written is not None
    assert written.next_offsets == {1: 11}


def test_a_refused_batch_of_which_nothing_is_left_is_given_up() -> None:
    store, readiness = AnsweringStore(), Readiness()
    writer = writer_on(store, readiness)
    writer.start(batch_of(1), 0.0)
    store.next_write(0)[1].set_exception(TransientError("full"))
    outcome(writer, 0.0)
    writer.forget({1})
    assert not writer.is_busy
    writer.start(batch_of(2), 1.0)
    store.next_write(1)[1].set_result(None)
    assert outcome(writer, 1.0) is not None
    assert readiness.is_ready


def test_a_batch_without_candles_does_not_bother_the_store() -> None:
    store = AnsweringStore()
    writer = writer_on(store, Readiness())
    batch = CandleBatch(largest=100, longest_wait_seconds=1.0)
    batch.add(None, partition=3, offset=7, now_seconds=0.0)
    writer.start(batch, 0.0)
    assert outcome(writer, 0.0) is batch
    assert store.writes == []
