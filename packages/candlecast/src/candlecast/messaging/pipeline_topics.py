"""The topics of the pipeline: how long each keeps its records."""

from candlecast.messaging.connection import KafkaSettings
from candlecast.messaging.dead_letter import DEAD_LETTER_SUFFIX
from candlecast.messaging.topics import TopicSpecification

_KEEP_FOR_EVER = "-1"
_DAY_MS = 86_400_000
_TRADES_RETENTION_MS = str(7 * _DAY_MS)
_CANDLES_RETENTION_MS = str(30 * _DAY_MS)


def trades_topic(settings: KafkaSettings, name: str, *, is_historical: bool) -> TopicSpecification:
    """Describe a topic of trades; a historical one lives until its run has succeeded."""
    return _topic(settings, name, _KEEP_FOR_EVER if is_historical else _TRADES_RETENTION_MS)


def candles_topic(settings: KafkaSettings, name: str, *, is_historical: bool) -> TopicSpecification:
    """Describe a topic of candles; a historical one lives until its run has succeeded."""
    return _topic(settings, name, _KEEP_FOR_EVER if is_historical else _CANDLES_RETENTION_MS)


def dead_letter_topic(settings: KafkaSettings, input_topic: str) -> TopicSpecification:
    """Describe where the unreadable records of a topic go; they wait there for a person."""
    return TopicSpecification(
        name=input_topic + DEAD_LETTER_SUFFIX,
        partitions=1,
        replication_factor=settings.kafka_topic_replication_factor,
        config={"retention.ms": _KEEP_FOR_EVER},
    )


def _topic(settings: KafkaSettings, name: str, retention_ms: str) -> TopicSpecification:
    return TopicSpecification(
        name=name,
        partitions=settings.kafka_topic_partitions,
        replication_factor=settings.kafka_topic_replication_factor,
        config={"retention.ms": retention_ms},
    )
