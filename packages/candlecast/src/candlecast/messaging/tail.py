"""Reading a topic from its end: the last record of each key, and how much there is."""

import time
from collections.abc import Collection

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig, client_log

_FIRST_STEP = 500
_STEP_GROWTH = 8
_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05


def read_last_records(
    config: ClientConfig, topic: str, keys: Collection[bytes]
) -> dict[bytes, Message]:
    """Return the newest record of each key; keys without any record are left out.

    Reads backwards in growing steps, so a key that is written often is found at once and a key
    that never was costs one pass over the topic.

    Raises:
        TransientError: the broker does not answer.
    """
    consumer = _reader(config)
    try:
        return _search_backwards(consumer, topic, set(keys))
    except KafkaException as error:
        raise TransientError(f"reading the end of topic {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def count_records(config: ClientConfig, topic: str) -> int:
    """Return how many records a topic holds at most (compaction may have removed some)."""
    consumer = _reader(config)
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic].partitions
        bounds = [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_TIMEOUT_SECONDS)
            for number in partitions
        ]
    except KafkaException as error:
        raise TransientError(f"counting topic {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return sum(high - low for low, high in bounds)


def _reader(config: ClientConfig) -> Consumer:
    return Consumer(
        {
            **config,
            # Required by the client; nothing is ever committed to it.
            "group.id": "candlecast-tail-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        },
        logger=client_log,
    )


def _search_backwards(consumer: Consumer, topic: str, missing: set[bytes]) -> dict[bytes, Message]:
    unread: dict[int, tuple[int, int]] = {}
    for partition in _partitions_of(consumer, topic):
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS
        )
        if high > low:
            unread[partition] = (low, high)
    found: dict[bytes, Message] = {}
    step = _FIRST_STEP
    while missing and unread:
        ranges = {number: (max(low, high - step), high) for number, (low, high) in unread.items()}
        newest = _newest_in(consumer, topic, ranges, missing)
        found |= newest
        missing = missing - newest.keys()
        unread = {
            number: (low, ranges[number][0])
            for number, (low, _) in unread.items()
            if ranges[number][0] > low
        }
        step *= _STEP_GROWTH
    return found


def _partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Return the partitions; an empty answer would pass for a topic that nobody has written to."""
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return list(metadata.partitions)


def _newest_in(
    consumer: Consumer, topic: str, ranges: dict[int, tuple[int, int]], keys: set[bytes]
) -> dict[bytes, Message]:
    """Read [start, end) of each partition and keep the newest record of each key."""
    consumer.assign([TopicPartition(topic, number, start) for number, (start, _) in ranges.items()])
    newest: dict[bytes, Message] = {}
    unfinished = set(ranges)
    deadline_seconds = time.monotonic() + _TIMEOUT_SECONDS
    while unfinished:
        messages = consumer.consume(num_messages=1_000, timeout=_POLL_SECONDS)
        if messages:
            deadline_seconds = time.monotonic() + _TIMEOUT_SECONDS
        elif time.monotonic() > deadline_seconds:
            raise TransientError(f"the broker sends no records of topic {topic}")
        for message in messages:
            partition = message.partition()
            if partition not in unfinished:
                continue
            has_ended, end = _has_ended(message), ranges[partition][1]
            if not has_ended and message.offset() < end and message.key() in keys:
                newest[message.key()] = message
            if has_ended or message.offset() >= end - 1:
                unfinished.discard(partition)
    return newest


def _has_ended(message: Message) -> bool:
    """Whether it says that the partition has no more records."""
    error = message.error()
    if error is None:
        return False
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constant
        raise KafkaException(error)
    return True
