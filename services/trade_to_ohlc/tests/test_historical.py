"""Runs that end: real trades through Kafka and a real process, killed and restarted too."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder
from candlecast.market.time_grid import MINUTE_MS
from candlecast.messaging.candle_record import EndOfStream, encode_candle_record
from candlecast.messaging.trades_record import StreamStart, TradesRecord
from candlecast.testing.recordings import recorded_kraken_market, values_of
from candlecast.testing.services import RunningService
from candlecast.testing.topics import publish, publish_trades
from candlecast.testing.trades import make_batch
from candlecast.testing.waiting import eventually

pytestmark = pytest.mark.broker

RunService = Callable[..., AbstractContextManager[RunningService]]
ReadOutputs = Callable[[], list[Candle | EndOfStream]]

KRAKEN = recorded_kraken_market(Path(__file__).parents[3] / "tests" / "data")
HISTORICAL = {"LIVE_OR_HISTORICAL": "historical", "PRODUCT_IDS": "BTC/USDT"}
M0 = 29_000_000 * MINUTE_MS


def page_records(size: int) -> list[TradesRecord]:
    """The recorded page as a producer's records of `size` trades, the last one with the end."""
    records = []
    for start in range(0, len(KRAKEN.trades), size):
        batch = KRAKEN.trades.select(slice(start, start + size))
        last_ms = int(batch.timestamp_ms[-1])
        is_last = start + size >= len(KRAKEN.trades)
        records.append(
            TradesRecord(
                batch=batch,
                last_trade_id=int(batch.trade_id[-1]),
                last_timestamp_ms=last_ms,
                watermark_ms=KRAKEN.end_ms if is_last else last_ms,
                end_of_stream=is_last,
            )
        )
    return records


def test_409_recorded_minutes_are_rebuilt_exactly_through_kafka(
    broker_address: str, input_topic: str, run_service: RunService, read_outputs: ReadOutputs
) -> None:
    publish_trades(broker_address, input_topic, page_records(250))

    with run_service(**HISTORICAL) as service:
        assert service.wait() == 0

    *candles, end = read_outputs()
    assert end == EndOfStream("BTC/USDT")
    assert [values_of(candle) for candle in candles if isinstance(candle, Candle)] == KRAKEN.candles
    assert len(candles) == 409


def test_candles_are_as_long_as_the_courses_setting_says(
    broker_address: str, input_topic: str, run_service: RunService, read_outputs: ReadOutputs
) -> None:
    publish_trades(broker_address, input_topic, page_records(250))

    with run_service(**HISTORICAL, CANDLE_SECONDS="300") as service:
        assert service.wait() == 0

    builder = CandleBuilder("BTC/USDT", window_ms=300_000)
    expected = builder.add(KRAKEN.trades, watermark_ms=KRAKEN.end_ms).candles
    assert len(expected) == 81
    assert read_outputs() == [*expected, EndOfStream("BTC/USDT")]


def test_kill_minus_9_loses_nothing_and_changes_nothing(
    broker_address: str,
    topic_name: str,
    input_topic: str,
    tmp_path: Path,
    run_service: RunService,
    read_outputs: ReadOutputs,
) -> None:
    records = page_records(50)
    publish_trades(broker_address, input_topic, records[:8])
    with run_service(**HISTORICAL, COMMIT_INTERVAL_SECONDS="0.1") as service:
        eventually(lambda: committed(broker_address, topic_name, input_topic) == 8, "the commit")
        sent_before = len(read_outputs())
        service.kill()
    # All was committed; the state comes back from the changelog.
    shutil.rmtree(tmp_path / "state")
    publish_trades(broker_address, input_topic, records[8:14])
    with run_service(**HISTORICAL, COMMIT_INTERVAL_SECONDS="300") as service:
        eventually(lambda: len(read_outputs()) > sent_before, "candles after the restart")
        service.kill()
    # Candles were sent and nothing was committed; they come again.
    publish_trades(broker_address, input_topic, records[14:])
    with run_service(**HISTORICAL) as service:
        assert service.wait() == 0

    outputs = read_outputs()
    candles = [output for output in outputs if isinstance(output, Candle)]
    assert outputs[-1] == EndOfStream("BTC/USDT")
    assert len(candles) > 409, "the second kill was to make some candles come twice"
    distinct = {values_of(candle): candle for candle in candles}
    assert sorted(distinct) == KRAKEN.candles
    assert {str(candle) for candle in candles} == {str(candle) for candle in distinct.values()}


def committed(address: str, group: str, topic: str) -> int:
    """How many records the group has committed."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        partitions = consumer.committed([TopicPartition(topic, number) for number in range(2)])
    finally:
        consumer.close()
    return sum(max(partition.offset, 0) for partition in partitions)


def test_the_run_ends_when_the_stream_of_every_product_has_ended(
    broker_address: str, input_topic: str, run_service: RunService, read_outputs: ReadOutputs
) -> None:
    def last_record(product_id: str) -> TradesRecord:
        return TradesRecord(
            batch=make_batch((M0, 10.0), product_id=product_id),
            last_trade_id=1,
            last_timestamp_ms=M0,
            watermark_ms=M0 + MINUTE_MS,
            end_of_stream=True,
            start=StreamStart(timestamp_ms=M0, previous_close=None),
        )

    publish_trades(broker_address, input_topic, [last_record("A/USD")])
    with run_service(LIVE_OR_HISTORICAL="historical", PRODUCT_IDS="A/USD,B/USD") as service:
        assert service.wait_for_event("stream_ended")["unfinished"] == 1
        publish_trades(broker_address, input_topic, [last_record("B/USD")])
        assert service.wait() == 0

    for product_id in ("A/USD", "B/USD"):
        of_product = [output for output in read_outputs() if output.product_id == product_id]
        assert [type(output) for output in of_product] == [Candle, EndOfStream]


def test_a_run_that_is_complete_has_nothing_left_to_do(
    broker_address: str, output_topic: str, run_service: RunService, read_outputs: ReadOutputs
) -> None:
    end = EndOfStream("BTC/USDT")
    publish(broker_address, output_topic, [(b"BTC/USDT", encode_candle_record(end))])

    with run_service(**HISTORICAL) as service:
        assert service.wait() == 0

    assert service.events_named("nothing_left_to_do")
    assert read_outputs() == [end]


def test_an_output_topic_of_something_else_is_a_configuration_error(
    broker_address: str, output_topic: str, run_service: RunService
) -> None:
    publish(broker_address, output_topic, [(b"BTC/USDT", b'{"predicted": 1}')])

    with run_service(**HISTORICAL) as service:
        assert service.wait() == 78

    assert service.events[-1]["reason"].startswith(
        f"KAFKA_OUTPUT_TOPIC={output_topic}: holds something else than candles"
    )


def test_a_topic_that_can_mostly_not_be_read_stops_the_service(
    broker_address: str, input_topic: str, run_service: RunService
) -> None:
    publish(broker_address, input_topic, [(b"BTC/USDT", b'{"open": 1}')] * 25)

    with run_service() as service:
        assert service.wait() == 78

    assert service.events[-1]["reason"].startswith("20 of the latest 20 records could not be read")
    assert [event for event in service.events if "exception" in event] == []
