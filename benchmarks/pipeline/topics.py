"""Topics of a throughput measurement: made, filled beforehand, read back afterwards.

The broker writes its own time on each candle (LogAppendTime): with it, every program is timed by
one clock that none of them has to serve.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.tail import count_records
from candlecast.messaging.topics import TopicSpecification, create_topics

_PARTITIONS = 6  # as the services create them
_KEPT = {"retention.ms": "-1", "retention.bytes": "-1"}
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StampedValue:
    """A record and the broker's time of its arrival."""

    appended_ms: int
    value: bytes


def create_input_topic(config: ClientConfig, name: str) -> None:
    """Make a topic of trades."""
    create_topics(config, [TopicSpecification(name=name, partitions=_PARTITIONS, config=_KEPT)])


def create_output_topic(config: ClientConfig, name: str) -> None:
    """Make a topic of candles, which the broker stamps."""
    stamped = {**_KEPT, "message.timestamp.type": "LogAppendTime"}
    create_topics(config, [TopicSpecification(name=name, partitions=_PARTITIONS, config=stamped)])


def fill(config: ClientConfig, topic: str, key: str, values: Iterable[tuple[int, bytes]]) -> None:
    """Write (timestamp in ms, value) records as trade_producer does in historical mode.

    Raises:
        TransientError: the broker did not take everything.
    """
    producer = Producer(
        {**config, "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"},
        logger=client_log,
    )
    for timestamp_ms, value in values:
        while True:
            try:
                producer.produce(topic, value=value, key=key.encode(), timestamp=timestamp_ms)
            except BufferError:
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    if producer.flush(_PATIENCE_SECONDS) > 0:
        raise TransientError(f"filling topic {topic}: the broker did not take everything")


def read_all(config: ClientConfig, topic: str) -> list[StampedValue]:
    """Read all there is; the records of one key in their order.

    Raises:
        TransientError: the broker did not give everything.
    """
    wanted = count_records(config, topic)
    consumer = Consumer(
        {**config, "group.id": "benchmark-reader", "enable.auto.commit": False}, logger=client_log
    )
    found: list[StampedValue] = []
    deadline_seconds = time.monotonic() + _PATIENCE_SECONDS
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(_PARTITIONS)])
        while len(found) < wanted:
            if time.monotonic() > deadline_seconds:
                raise TransientError(f"reading topic {topic}: {len(found)} of {wanted} records")
            for message in consumer.consume(10_000, timeout=0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                found.append(StampedValue(message.timestamp()[1], message.value()))
    finally:
        consumer.close()
    return found
