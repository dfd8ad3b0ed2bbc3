"""The topic of candles as the tests see it: what is sent, committed and put aside."""

from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS
from candlecast.messaging.candle_record import EndOfStream, encode_candle_record
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.dead_letter import DEAD_LETTER_SUFFIX
from candlecast.messaging.headers import DEAD_LETTER_REASON, header
from candlecast.testing.stored_candles import BTC, ETH
from candlecast.testing.topics import Headers, make_topic, publish, read_all

SOL, QNT = "SOL/USD", "QNT/USD"
PARTITION_OF = {BTC: 0, ETH: 1, SOL: 1, QNT: 2}
"""Chosen here, so that a test can say which products share a partition."""
PARTITIONS = 3


class CandleTopic:
    """A topic of candles, made for one test."""

    def __init__(self, broker_address: str, name: str) -> None:
        self.address = broker_address
        self.name = make_topic(broker_address, name, partitions=PARTITIONS)
        self._dead_letters = make_topic(broker_address, name + DEAD_LETTER_SUFFIX)
        # Asking for offsets does not make a member of the group.
        self._group = Consumer(
            {**self.config, "group.id": name, "enable.auto.commit": False}, logger=client_log
        )

    @property
    def config(self) -> ClientConfig:
        """How to reach the broker."""
        return {"bootstrap.servers": self.address}

    def send(self, records: Iterable[Candle | EndOfStream], *, headers: Headers = ()) -> None:
        """Send records and wait until the broker has them."""
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for record in records:
            pair = record.product_id.encode(), encode_candle_record(record)
            by_partition.setdefault(PARTITION_OF[record.product_id], []).append(pair)
        for partition, pairs in by_partition.items():
            publish(self.address, self.name, pairs, headers=headers, partition=partition)

    def send_raw(self, *values: bytes | None, product_id: str = BTC) -> None:
        """Send records that no service of ours would."""
        pairs = [(product_id.encode(), value) for value in values]
        publish(self.address, self.name, pairs, partition=PARTITION_OF[product_id])

    def committed(self) -> dict[int, int]:
        """Return how many records the group of the topic's name has committed, by partition."""
        partitions = [TopicPartition(self.name, number) for number in range(PARTITIONS)]
        try:
            found = self._group.committed(partitions, timeout=10)
        except KafkaException:  # a broker that has just started is still looking for its groups
            return {}
        return {each.partition: each.offset for each in found if each.offset > 0}

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Commit offsets for that group; it has no members."""
        offsets = [TopicPartition(self.name, *each) for each in next_offsets.items()]
        self._group.commit(offsets=offsets, asynchronous=False)

    def close(self) -> None:
        """Give back the connection."""
        self._group.close()

    def dead_letters(self) -> list[tuple[bytes | None, str]]:
        """Return what was put aside: values and reasons."""
        return [
            (message.value(), header(message.headers(), DEAD_LETTER_REASON) or "")
            for message in read_all(self.address, self._dead_letters)
        ]


def make_candle(minute: int, *, product_id: str = BTC, close: float = 1.5) -> Candle:
    """Build the candle of one minute after 1970."""
    return Candle(
        product_id=product_id,
        timestamp_ms=(minute + 1) * MINUTE_MS,
        start_ms=minute * MINUTE_MS,
        open=1.1,
        high=1e9 / 3,
        low=0.1,
        close=close,
        volume=0.1 + 0.2,
        vwap=1.25,
        trade_count=3,
        buy_volume=0.00000001,
        first_trade_id=minute * 10,
        last_trade_id=minute * 10 + 2,
    )


def make_candles(
    first_minute: int, count: int, *, product_ids: Sequence[str] = (BTC,), close: float = 1.5
) -> list[Candle]:
    """Build the candles of consecutive minutes of each product."""
    return [
        make_candle(minute, product_id=product_id, close=close)
        for minute in range(first_minute, first_minute + count)
        for product_id in product_ids
    ]
