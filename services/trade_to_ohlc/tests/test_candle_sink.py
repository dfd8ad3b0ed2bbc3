import pytest

from candlecast.errors import TransientError
from candlecast.market.candle import Candle
from candlecast.market.open_window import flat_candle
from candlecast.messaging.candle_record import EndOfStream, decode_candle_record
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.headers import MARKET_DATA_SOURCE, header
from candlecast.runtime.process import StopSignal
from candlecast.testing.topics import make_topic, read_all
from trade_to_ohlc.candle_sink import CandleSink

MINUTE_MS = 60_000


class Waiting:
    """Stands for the process: counts its heartbeats, and stops it after some of them."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.stop = StopSignal()
        self.beats = 0
        self._stop_after = stop_after

    def beat(self) -> None:
        self.beats += 1
        if self.beats == self._stop_after:
            self.stop.set()


def build_sink(address: str, topic: str, waiting: Waiting, **more: str | int) -> CandleSink:
    config: ClientConfig = {"bootstrap.servers": address, **more}
    return CandleSink(
        config,
        topic=topic,
        market_data_source="kraken",
        is_historical=False,
        stop=waiting.stop,
        on_wait=waiting.beat,
        stop_seconds=0.5,
    )


def minute_candles(count: int, product_id: str = "BTC/USD") -> list[Candle | EndOfStream]:
    return [
        flat_candle(product_id, number * MINUTE_MS, MINUTE_MS, 10.0)
        for number in range(1, count + 1)
    ]


@pytest.mark.broker
def test_after_a_flush_the_broker_has_every_candle_under_its_products_name(
    broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name, partitions=3)
    sink = build_sink(broker_address, topic_name, Waiting())
    outputs = minute_candles(50) + minute_candles(50, "ETH/USD") + [EndOfStream("BTC/USD")]

    sink.add(outputs, key=b"whatever the input's was")
    sink.flush()

    messages = read_all(broker_address, topic_name)
    assert sorted(str(decode_candle_record(message.value())) for message in messages) == sorted(
        map(str, outputs)
    )
    for message in messages:
        assert message.key().decode() == decode_candle_record(message.value()).product_id
        assert header(message.headers(), MARKET_DATA_SOURCE) == "kraken"


@pytest.mark.broker
def test_more_candles_than_its_queue_holds_are_sent_nevertheless(
    broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name)
    more: dict[str, str | int] = {"queue.buffering.max.messages": 10}
    sink = build_sink(broker_address, topic_name, Waiting(), **more)

    sink.add(minute_candles(500))
    sink.flush()

    assert len(read_all(broker_address, topic_name)) == 500


@pytest.mark.broker
def test_a_candle_that_the_broker_refuses_is_a_transient_error(
    broker_address: str, topic_name: str
) -> None:
    more: dict[str, str | int] = {"topic.metadata.propagation.max.ms": 100}
    sink = build_sink(broker_address, f"{topic_name}_never_made", Waiting(), **more)
    sink.add(minute_candles(1))

    with pytest.raises(TransientError, match="a candle could not be delivered: "):
        sink.flush()
    with pytest.raises(TransientError, match="a candle could not be delivered: "):
        sink.add([])


def test_a_broker_that_is_away_is_waited_for_with_a_beating_heart_until_told_to_stop() -> None:
    waiting = Waiting(stop_after=3)
    sink = build_sink("127.0.0.1:1", "ohlc", waiting)
    sink.add(minute_candles(1))

    with pytest.raises(TransientError, match="the broker is away"):
        sink.flush()
    assert waiting.beats > 3


def test_a_full_queue_is_waited_for_until_told_to_stop() -> None:
    waiting = Waiting(stop_after=2)
    more: dict[str, str | int] = {"queue.buffering.max.messages": 10}
    sink = build_sink("127.0.0.1:1", "ohlc", waiting, **more)

    with pytest.raises(TransientError, match="the broker is away"):
        sink.add(minute_candles(11))
