"""One live service for all of these tests: a product of its own for each."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Message

from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.candle_record import decode_candle_record
from candlecast.messaging.headers import DEAD_LETTER_REASON, MARKET_DATA_SOURCE, header
from candlecast.messaging.trades_record import (
    StreamStart,
    TradesRecord,
    decode_trades_record,
    encode_trades_record,
)
from candlecast.testing.services import RunningService, running_service
from candlecast.testing.topics import Headers, make_topic, publish, read_all
from candlecast.testing.trades import make_batch
from candlecast.testing.waiting import eventually

pytestmark = pytest.mark.broker

M0 = 29_000_000 * MINUTE_MS
M1, M2, M3 = (M0 + number * MINUTE_MS for number in range(1, 4))


@dataclass
class Pipeline:
    """The running service and its topics."""

    address: str
    service: RunningService
    input_topic: str
    output_topic: str
    headers: Headers = field(default_factory=list)

    def send(self, key: bytes | None, value: bytes | None, *, headers: Headers = ()) -> None:
        publish(self.address, self.input_topic, [(key, value)], headers=headers)

    def send_trades(
        self,
        batch: TradeBatch,
        watermark_ms: int,
        *,
        starts: bool = False,
        key: bytes | None = None,
    ) -> None:
        record = TradesRecord(
            batch=batch,
            last_trade_id=0,
            last_timestamp_ms=0,
            watermark_ms=watermark_ms,
            start=StreamStart(timestamp_ms=M0, previous_close=9.0) if starts else None,
        )
        self.send(key or batch.product_id.encode(), encode_trades_record(record))

    def candles(self, product_id: str, count: int) -> list[Candle]:
        """Wait for so many candles of a product."""

        def read() -> list[Candle]:
            outputs = [
                decode_candle_record(message.value())
                for message in read_all(self.address, self.output_topic)
            ]
            return [
                output
                for output in outputs
                if isinstance(output, Candle) and output.product_id == product_id
            ]

        eventually(lambda: len(read()) >= count, f"{count} candles of {product_id}")
        return read()

    def dead_letter(self, is_it: Callable[[Message], bool]) -> tuple[Message, str]:
        """Wait for the one dead letter that is meant, and return it with its reason."""
        topic = f"{self.input_topic}_dead_letter"
        messages = eventually(
            lambda: [message for message in read_all(self.address, topic) if is_it(message)],
            "the dead letter",
        )
        assert len(messages) == 1
        return messages[0], header(messages[0].headers(), DEAD_LETTER_REASON) or ""

    def metric(self, name: str, **labels: str) -> float:
        return self.service.metric(f"candlecast_trade_to_ohlc_{name}", **labels)


@pytest.fixture(scope="module")
def pipeline(broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    input_topic = make_topic(broker_address, "live_trades", partitions=3)
    output_topic = make_topic(broker_address, "live_ohlc", partitions=2)
    directory = tmp_path_factory.mktemp("live")
    with running_service(
        "trade_to_ohlc",
        directory,
        KAFKA_BROKER_ADDRESS=broker_address,
        KAFKA_INPUT_TOPIC=input_topic,
        KAFKA_OUTPUT_TOPIC=output_topic,
        KAFKA_CONSUMER_GROUP="live",
        DEAD_LETTER_SHARE="1",
        COMMIT_INTERVAL_SECONDS="0.1",
    ) as service:
        service.wait_until_ready()
        yield Pipeline(broker_address, service, input_topic, output_topic)
        assert service.stop() == 0
        assert service.events[-1]["event"] == "stopped"
        assert service.other_lines == []


def tick(product_id: str) -> TradeBatch:
    return TradeBatch.empty(product_id)


def test_a_candle_is_sent_when_the_watermark_passes_its_end(pipeline: Pipeline) -> None:
    pipeline.send_trades(make_batch((M0, 10.0), product_id="A/USD"), M0, starts=True)
    pipeline.send_trades(make_batch((M1, 11.0), product_id="A/USD", first_id=2), M1)

    [candle] = pipeline.candles("A/USD", 1)
    assert (candle.start_ms, candle.close, candle.trade_count) == (M0, 10.0, 1)
    assert pipeline.metric("trades_in_total", product_id="A/USD") == 2
    assert pipeline.metric("candles_out_total", product_id="A/USD") == 1
    assert pipeline.metric("watermark_seconds", product_id="A/USD") == M1 / 1000
    assert pipeline.metric("records_in_total") >= 2


def test_many_products_share_a_topic_and_keep_their_own_candles(pipeline: Pipeline) -> None:
    products = [f"M{number}/USD" for number in range(12)]
    for number, name in enumerate(products):
        batch = make_batch((M0, 10.0 + number), product_id=name)
        pipeline.send_trades(batch, M2, starts=True)

    for number, name in enumerate(products):
        assert [candle.close for candle in pipeline.candles(name, 2)] == [10.0 + number] * 2


def test_candles_say_where_their_trades_are_from_and_are_keyed_by_product(
    pipeline: Pipeline,
) -> None:
    batch = make_batch((M0, 10.0), product_id="K/USD")
    pipeline.send_trades(batch, M1, starts=True, key=b"K-USD, as some producers write it")
    pipeline.candles("K/USD", 1)

    messages = read_all(pipeline.address, pipeline.output_topic)
    [message] = [message for message in messages if message.key() == b"K/USD"]
    assert header(message.headers(), MARKET_DATA_SOURCE) == "kraken"


def test_two_products_under_one_key_are_not_folded_into_one_another(pipeline: Pipeline) -> None:
    for name, price in (("S1/USD", 10.0), ("S2/USD", 20.0)):
        pipeline.send_trades(
            make_batch((M0, price), product_id=name), M1, starts=True, key=b"shared"
        )

    assert [candle.close for candle in pipeline.candles("S1/USD", 1)] == [10.0]
    assert [candle.close for candle in pipeline.candles("S2/USD", 1)] == [20.0]


def test_a_producer_of_the_courses_plugs_in(pipeline: Pipeline) -> None:
    for moment_ms, price in ((M0 + 5, 10.0), (M1, 11.0), (M1 + 7, 12.0), (M2 + 1, 13.0)):
        trade = {"pair": "C/USD", "price": price, "volume": 0.5, "timestamp_ms": moment_ms}
        pipeline.send(b"C-USD", json.dumps(trade).encode())

    [candle] = pipeline.candles("C/USD", 1)
    assert (candle.start_ms, candle.open, candle.close) == (M1, 11.0, 12.0)
    assert (candle.volume, candle.trade_count) == (1.0, 2)
    assert pipeline.metric("warm_up_trades_total", product_id="C/USD") == 1


@pytest.mark.parametrize(
    ("key", "value", "headers", "reason"),
    [
        (b"U1", b"\xff\x00", [], "not JSON: "),
        (b"U2", b'{"price": "dear"}', [], "none of product_id, pair, symbol is given"),
        (b"U3", None, [], "the record has no value"),
        (None, b'{"no": "key"}', [], "the record has no key (the product's id)"),
        (
            b"U4",
            encode_trades_record(
                TradesRecord(
                    batch=make_batch((M0, 1.0)),
                    last_trade_id=1,
                    last_timestamp_ms=M0,
                    watermark_ms=M0,
                )
            ),
            [(MARKET_DATA_SOURCE, b"simulator")],
            "the record comes from simulator, MARKET_DATA_SOURCE is kraken",
        ),
    ],
)
def test_what_cannot_be_read_is_put_aside_with_its_key_and_the_reason(
    pipeline: Pipeline, key: bytes | None, value: bytes | None, headers: Headers, reason: str
) -> None:
    before = pipeline.metric("dead_letters_total")
    pipeline.send(key, value, headers=headers)

    _, said = pipeline.dead_letter(lambda message: (message.key(), message.value()) == (key, value))
    assert said.startswith(reason)
    eventually(lambda: pipeline.metric("dead_letters_total") > before, "it to be counted")


def test_what_cannot_be_read_does_not_hold_up_what_comes_after_it(pipeline: Pipeline) -> None:
    pipeline.send(b"H/USD", b"{")
    pipeline.send_trades(make_batch((M0, 10.0), product_id="H/USD"), M1, starts=True)

    assert len(pipeline.candles("H/USD", 1)) == 1


def test_late_trades_are_put_aside_with_their_minutes_named(pipeline: Pipeline) -> None:
    pipeline.send_trades(make_batch((M0, 10.0), product_id="L/USD"), M2, starts=True)
    late = make_batch((M0 + 5, 11.0), (M1 + 5, 12.0), first_id=2, product_id="L/USD")
    pipeline.send_trades(
        TradeBatch.concatenate("L/USD", [late, make_batch((M2, 13.0), first_id=4)]), M3
    )

    assert [candle.close for candle in pipeline.candles("L/USD", 3)] == [10.0, 10.0, 13.0]
    message, reason = pipeline.dead_letter(lambda message: message.key() == b"L/USD")
    assert reason == f"late trades of L/USD; windows to repair: [{M0}, {M1}]"
    assert decode_trades_record(message.value()).batch.trade_id.tolist() == [2, 3]
    assert pipeline.metric("late_trades_total", product_id="L/USD") == 2


def test_repeated_and_missing_ids_are_counted(pipeline: Pipeline) -> None:
    pipeline.send_trades(make_batch((M0, 10.0), product_id="D/USD"), M0, starts=True)
    batch = make_batch((M0, 10.0), (M0, 11.0), ids=[1, 5], product_id="D/USD")
    pipeline.send_trades(batch, M1)

    [candle] = pipeline.candles("D/USD", 1)
    assert candle.trade_count == 2
    assert pipeline.metric("duplicate_trades_total", product_id="D/USD") == 1
    assert pipeline.metric("missing_trades_total", product_id="D/USD") == 3


def test_health_and_metrics_are_served(pipeline: Pipeline) -> None:
    assert pipeline.service.get("/health/live")[0] == 200
    status, body = pipeline.service.get("/health/ready")
    assert (status, json.loads(body)["conditions"]) == (200, {"assigned_and_recovered": True})
    eventually(lambda: pipeline.metric("consumer_lag_records") == 0, "everything to be read")
    assert pipeline.metric("errors_total") == 0
