"""The topic is the cursor: where the products stand, read from what was published last."""

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from candlecast.errors import ConfigurationError, InvalidMessageError, TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import MARKET_DATA_SOURCE, header
from candlecast.messaging.tail import read_last_records
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record

_TIMEOUT_SECONDS = 10.0


def read_cursors(
    config: ClientConfig, topic: str, product_ids: Sequence[str], *, market_data_source: str
) -> dict[str, TradesRecord]:
    """Return the last record of each product; products without one are left out.

    Raises:
        ConfigurationError: the topic holds the trades of another source, or no such records.
        TransientError: the broker does not answer.
    """
    for message in _newest_messages(config, topic):
        _require_source(message, topic, market_data_source)
    keys = {product_id.encode(): product_id for product_id in product_ids}
    cursors: dict[str, TradesRecord] = {}
    for key, message in read_last_records(config, topic, keys.keys()).items():
        _require_source(message, topic, market_data_source)
        try:
            cursors[keys[key]] = decode_trades_record(message.value())
        except InvalidMessageError as error:
            raise ConfigurationError(
                f"topic {topic} holds something else than this service's records ({error}); "
                "use another KAFKA_TOPIC"
            ) from error
    return cursors


def _require_source(message: Message, topic: str, market_data_source: str) -> None:
    source = header(message.headers(), MARKET_DATA_SOURCE)
    if source is not None and source != market_data_source:
        raise ConfigurationError(
            f"topic {topic} holds trades from {source}, MARKET_DATA_SOURCE is "
            f"{market_data_source}; use another KAFKA_TOPIC"
        )


def _newest_messages(config: ClientConfig, topic: str) -> list[Message]:
    """Return the newest record of each partition, whosever product it is about."""
    consumer = Consumer(
        {
            **config,
            # Required by the client; nothing is ever committed to it.
            "group.id": "candlecast-cursor-reader",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
        },
        logger=client_log,
    )
    try:
        return _read_newest(consumer, topic)
    except KafkaException as error:
        raise TransientError(f"reading the end of topic {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read_newest(consumer: Consumer, topic: str) -> list[Message]:
    described = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
    if described.error is not None:
        raise KafkaException(described.error)
    ends = []
    for number in described.partitions:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, number), timeout=_TIMEOUT_SECONDS
        )
        if high > low:
            ends.append(TopicPartition(topic, number, high - 1))
    consumer.assign(ends)
    # Somebody may be writing: only the first record of each partition counts.
    newest: dict[int, Message] = {}
    while len(newest) < len(ends):
        message = consumer.poll(_TIMEOUT_SECONDS)
        if message is None:
            raise TransientError(f"the end of topic {topic} cannot be read now")
        if (failure := message.error()) is not None:
            raise KafkaException(failure)
        newest.setdefault(message.partition(), message)
    return list(newest.values())
