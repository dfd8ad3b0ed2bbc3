"""What a restart reads from the topic, and what it refuses to go on with."""

from collections.abc import Sequence

import pytest

from candlecast.errors import ConfigurationError
from candlecast.messaging.trades_record import TradesRecord
from candlecast.testing.topics import make_topic, publish, publish_trades
from candlecast.testing.trades import make_batch
from trade_producer.cursor import read_cursors

pytestmark = pytest.mark.broker

NOW_MS = 1_790_000_000_000


def record(product_id: str, trade_id: int) -> TradesRecord:
    return TradesRecord(
        batch=make_batch((NOW_MS, 1.0), first_id=trade_id, product_id=product_id),
        last_trade_id=trade_id,
        last_timestamp_ms=NOW_MS,
        watermark_ms=NOW_MS + 5,
    )


def read(
    address: str,
    topic: str,
    products: Sequence[str] = ("BTC/USD", "ETH/USD"),
    source: str = "kraken",
) -> dict[str, TradesRecord]:
    return read_cursors({"bootstrap.servers": address}, topic, products, market_data_source=source)


def test_a_topic_without_records_has_no_cursors(broker_address: str, topic_name: str) -> None:
    make_topic(broker_address, topic_name, partitions=3)

    assert read(broker_address, topic_name) == {}


def test_the_newest_record_of_each_product_is_its_cursor(
    broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name, partitions=3)
    records = [record(name, i) for i in range(1, 50) for name in ("BTC/USD", "ETH/USD", "XRP/USD")]
    publish_trades(broker_address, topic_name, [record("BTC/USD", 7), *records])

    cursors = read(broker_address, topic_name, ("BTC/USD", "ETH/USD", "DOGE/USD"))

    assert {name: cursor.last_trade_id for name, cursor in cursors.items()} == {
        "BTC/USD": 49,
        "ETH/USD": 49,
    }
    assert cursors["BTC/USD"].watermark_ms == NOW_MS + 5


@pytest.mark.parametrize("product_id", ["BTC/USD", "XRP/USD"])
def test_trades_of_another_source_are_refused_whatever_product_they_are_of(
    broker_address: str, topic_name: str, product_id: str
) -> None:
    make_topic(broker_address, topic_name)
    headers = [("market_data_source", b"simulator")]
    publish_trades(broker_address, topic_name, [record(product_id, 1)], headers=headers)

    with pytest.raises(ConfigurationError, match="holds trades from simulator, MARKET_DATA_SOURCE"):
        read(broker_address, topic_name)
    assert read(broker_address, topic_name, source="simulator").keys() <= {"BTC/USD"}


def test_a_topic_of_something_else_is_refused(broker_address: str, topic_name: str) -> None:
    make_topic(broker_address, topic_name)
    publish(broker_address, topic_name, [(b"BTC/USD", b'{"a": 1}')])

    with pytest.raises(ConfigurationError, match="something else than this service's records"):
        read(broker_address, topic_name)
