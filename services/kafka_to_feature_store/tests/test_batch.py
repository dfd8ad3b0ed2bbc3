from kafka_to_feature_store.batch import CandleBatch, UnreadableRecord

from .candle_topic import make_candle

BAD = UnreadableRecord(value=b"?", key=None, reason="no candle")


def batch_of(largest: int = 3) -> CandleBatch:
    return CandleBatch(largest=largest, longest_wait_seconds=10.0)


def test_a_batch_is_due_when_its_first_record_has_waited_long_enough() -> None:
    batch = batch_of()
    batch.add(make_candle(1), partition=0, offset=5, now_seconds=100.0)
    batch.add(make_candle(2), partition=0, offset=6, now_seconds=104.0)
    assert batch.seconds_until_due(104.0) == 6.0
    assert batch.seconds_until_due(110.0) == 0.0
    assert batch.seconds_until_due(1e9) == 0.0


def test_a_full_batch_is_due_at_once() -> None:
    batch = batch_of(largest=2)
    batch.add(make_candle(1), partition=0, offset=5, now_seconds=100.0)
    assert batch.room == 1
    batch.add(BAD, partition=0, offset=6, now_seconds=100.0)
    assert (batch.room, len(batch)) == (0, 2)
    assert batch.seconds_until_due(100.0) == 0.0


def test_a_record_without_content_has_an_offset_to_commit() -> None:
    batch = batch_of()
    assert batch.is_empty
    batch.add(None, partition=2, offset=41, now_seconds=100.0)
    assert not batch.is_empty
    assert len(batch) == 0
    assert batch.next_offsets == {2: 42}
    assert batch.seconds_until_due(110.0) == 0.0


def test_candles_keep_the_order_of_their_partition() -> None:
    batch = batch_of()
    for offset, (minute, partition) in enumerate([(1, 0), (7, 1), (2, 0), (3, 0), (8, 1)]):
        batch.add(make_candle(minute), partition=partition, offset=offset, now_seconds=0.0)
    assert batch.candles == [make_candle(minute) for minute in (1, 2, 3, 7, 8)]
    assert batch.next_offsets == {0: 4, 1: 5}


def test_a_forgotten_partition_leaves_neither_records_nor_offsets() -> None:
    batch = batch_of()
    batch.add(make_candle(1), partition=0, offset=5, now_seconds=0.0)
    batch.add(make_candle(2), partition=1, offset=9, now_seconds=0.0)
    batch.add(BAD, partition=1, offset=10, now_seconds=0.0)
    batch.forget({1, 7})
    assert batch.candles == [make_candle(1)]
    assert batch.unreadable == []
    assert batch.next_offsets == {0: 6}
    batch.forget({0})
    assert batch.is_empty


def test_the_wait_begins_anew_when_everything_was_forgotten() -> None:
    batch = batch_of()
    batch.add(make_candle(1), partition=0, offset=5, now_seconds=0.0)
    batch.forget({0})
    batch.add(make_candle(1), partition=1, offset=5, now_seconds=100.0)
    assert batch.seconds_until_due(101.0) == 9.0
