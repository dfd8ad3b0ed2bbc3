"""What tests do with topics of a real broker: make one, fill it, read all of it."""

from collections.abc import Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from candlecast.messaging.topics import TopicSpecification, create_topics
from candlecast.messaging.trades_record import TradesRecord, encode_trades_record

_PATIENCE_SECONDS = 20.0

Headers = Sequence[tuple[str, bytes]]


def make_topic(address: str, name: str, *, partitions: int = 1) -> str:
    """Create a topic and return its name."""
    create_topics(
        {"bootstrap.servers": address}, [TopicSpecification(name=name, partitions=partitions)]
    )
    return name


def publish(
    address: str,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    *,
    headers: Headers = (),
    partition: int | None = None,
) -> None:
    """Write (key, value) pairs and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 5})
    failures: list[KafkaError] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    chosen = {} if partition is None else {"partition": partition}
    for key, value in records:
        producer.produce(
            topic, key=key, value=value, headers=list(headers), on_delivery=note, **chosen
        )
    if producer.flush(_PATIENCE_SECONDS) > 0 or failures:
        raise AssertionError(f"the broker did not take all records: {failures}")


def publish_trades(
    address: str, topic: str, records: Iterable[TradesRecord], *, headers: Headers = ()
) -> None:
    """Write records of trades as a producer would: keyed by their product."""
    pairs = [(record.product_id.encode(), encode_trades_record(record)) for record in records]
    publish(address, topic, pairs, headers=headers)


def read_all(address: str, topic: str) -> list[Message]:
    """Return every record that is on a topic now, partition after partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "candlecast-test-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        metadata = consumer.list_topics(topic, timeout=_PATIENCE_SECONDS).topics[topic]
        unfinished = set(metadata.partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unfinished])
        messages: list[Message] = []
        while unfinished:
            message = consumer.poll(_PATIENCE_SECONDS)
            if message is None:
                raise AssertionError(f"the broker sends nothing of topic {topic}")
            if message.error() is None:
                messages.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public constant
                unfinished.discard(message.partition())
            else:
                raise AssertionError(f"reading topic {topic}: {message.error()}")
    finally:
        consumer.close()
    return sorted(messages, key=lambda message: (message.partition(), message.offset()))
