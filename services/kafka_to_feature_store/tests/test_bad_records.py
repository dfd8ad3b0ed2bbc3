"""Records that cannot be stored are put aside with a reason; too many of them stop the service."""

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.candle_record import EndOfStream, encode_candle_record
from candlecast.messaging.headers import MARKET_DATA_SOURCE
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, minutes_of
from candlecast.testing.waiting import eventually

from .candle_topic import CandleTopic, make_candle, make_candles
from .service_thread import PATIENCE_SECONDS, HookedStore, service_thread

pytestmark = pytest.mark.broker

BAD = (None, b"", b"\xff", b"[" * 100_000, b'{"product_id": "BTC/USD"}')


def test_unreadable_records_are_put_aside_with_the_reason_and_the_others_are_stored(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    topic.send(make_candles(1, 50))
    topic.send_raw(*BAD)
    topic.send(make_candles(51, 50))
    with service_thread(topic, store, dead_letter_share=0.5) as service:
        eventually(lambda: topic.committed() == {0: 105}, "everything committed")
        assert service.metric("dead_letters_total") == 5
    assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == list(range(1, 101))
    dead_letters = topic.dead_letters()
    assert [value for value, _ in dead_letters] == list(BAD)
    assert all(reason for _, reason in dead_letters)


def test_records_of_another_market_data_source_are_put_aside(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send(make_candles(1, 50), headers=[(MARKET_DATA_SOURCE, b"simulator")])
    topic.send([make_candle(51)], headers=[(MARKET_DATA_SOURCE, b"kraken")])
    topic.send([make_candle(52)])
    with service_thread(topic, store):
        eventually(lambda: topic.committed() == {0: 52}, "everything committed")
    assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == [*range(1, 51), 52]
    assert topic.dead_letters() == [
        (
            encode_candle_record(make_candle(51)),
            "the record comes from kraken, MARKET_DATA_SOURCE is simulator",
        )
    ]


def test_more_unreadable_records_than_allowed_stop_the_service_with_a_clear_error(
    topic: CandleTopic,
) -> None:
    topic.send_raw(*[b"nonsense"] * 100)
    with (
        service_thread(topic, HookedStore()) as service,
        pytest.raises(ConfigurationError, match=r"20 of the latest 20 .*DEAD_LETTER_SHARE=0.05"),
    ):
        service.ended.result(PATIENCE_SECONDS)
    # Neither put aside nor committed: with the right settings they are read again.
    assert topic.dead_letters() == []
    assert topic.committed() == {}


def test_a_record_is_put_aside_once_however_often_the_store_refuses_the_others(
    topic: CandleTopic,
) -> None:
    store = HookedStore()
    refusals = iter([TransientError("full")] * 2)

    def refuse(method: str) -> None:
        if method == "write_online" and (error := next(refusals, None)) is not None:
            raise error

    store.hook = refuse
    topic.send_raw(b"nonsense")
    topic.send(make_candles(1, 5))
    with service_thread(topic, store, batch_seconds=0.5) as service:
        eventually(lambda: topic.committed() == {0: 6}, "everything committed")
        assert service.metric("store_errors_total", operation="write") == 2
    assert len(topic.dead_letters()) == 1


def test_a_run_whose_last_record_is_unreadable_ends_all_the_same(topic: CandleTopic) -> None:
    store = HookedStore()
    topic.send([*make_candles(1, 5, product_ids=(BTC, ETH)), EndOfStream(BTC), EndOfStream(ETH)])
    topic.send_raw(b"nonsense")
    settings = {"live_or_historical": "historical", "product_ids": (BTC, ETH)}
    with service_thread(topic, store, **settings) as service:
        service.ended.result(PATIENCE_SECONDS)
    assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [1, 2, 3, 4, 5]
