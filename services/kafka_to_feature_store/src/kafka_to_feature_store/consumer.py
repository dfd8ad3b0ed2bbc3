"""A member of the consumer group: which partitions are ours, reading them, holding them back."""

from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from loguru import logger

from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.connection import client_log
from candlecast.messaging.statistics import STATISTICS_INTERVAL_MS
from kafka_to_feature_store.settings import Settings

_REFUSALS = frozenset(
    {
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client's public constant
    }
)


class GroupMember:
    """Reads the partitions that the group gives it.

    Args:
        settings: of the service.
        on_taken_away: is told the partitions that are no longer ours, before they are somebody
            else's.
        on_commit: is told the broker's answer to `commit`: None, or why it failed.
        on_error: is told of every error the client reports.
        on_statistics: takes the client's statistics.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_taken_away: Callable[[set[int]], None],
        on_commit: Callable[[str | None], None],
        on_error: Callable[[], None],
        on_statistics: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._on_taken_away = on_taken_away
        self._on_commit = on_commit
        self._on_error = on_error
        self._ours: set[int] = set()
        self._paused: set[int] = set()
        self._is_held_back = False
        config = {
            **settings.client_config(),
            "group.id": settings.kafka_consumer_group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "on_commit": self._take_answer,
            "session.timeout.ms": 10_000,
            # Partitions change hands in two steps, each noticed with the next heartbeat.
            "heartbeat.interval.ms": 1_000,
            "partition.assignment.strategy": "cooperative-sticky",
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
            "stats_cb": on_statistics,
            # A partition that is new here waits for the request that is out without it.
            "fetch.wait.max.ms": 100,
            # Read ahead 4 MB, not 64, and look for room again after 50 ms, not a second: 50 MB
            # less for a backlog at the same speed (measured).
            "queued.max.messages.kbytes": 4_096,
            "fetch.queue.backoff.ms": 50,
        }
        if settings.kafka_group_instance_id is not None:
            config["group.instance.id"] = settings.kafka_group_instance_id
        self._consumer = Consumer(config, logger=client_log)

    def join(self) -> None:
        """Become a member; partitions come while reading."""
        self._consumer.subscribe(
            [self._settings.kafka_input_topic],
            on_assign=self._take_over,
            on_revoke=self._give_up,
            on_lost=self._give_up,
        )

    def read(self, largest: int, timeout_seconds: float) -> list[Message]:
        """Read records of our partitions; callbacks are called meanwhile.

        Raises:
            ConfigurationError: the broker does not allow it, or another process has our name.
            TransientError: the client cannot go on; a new process can.
        """
        messages = []
        for message in self._consumer.consume(largest, timeout=timeout_seconds):
            error = message.error()
            if error is not None:
                self._judge(error)
            # A record that was on its way when its partition was taken away is not ours to commit.
            elif message.partition() in self._ours:
                messages.append(message)
        return messages

    def hold_back(self) -> None:
        """Read nothing for now; the membership stays as long as `read` is called."""
        if not self._is_held_back:
            self._is_held_back = True
            self._pause(self._ours)

    def let_go(self) -> None:
        """Read again; the first record takes about a second to come."""
        if self._is_held_back:
            self._is_held_back = False
            self._resume(self._ours)

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Ask the broker to keep these offsets; the answer comes to `on_commit`."""
        topic = self._settings.kafka_input_topic
        offsets = [TopicPartition(topic, *each) for each in next_offsets.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0].str())

    def close(self) -> None:
        """Leave the group; a member with a group instance id keeps its place for a while."""
        self._consumer.close()

    def _take_over(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        numbers = {each.partition for each in partitions}
        self._ours |= numbers
        if self._is_held_back:
            self._pause(numbers)
        else:
            # The client remembers a pause beyond the loss of a partition: one that comes back
            # would never be read again. (Not for all of them: it delays the first record.)
            self._resume(numbers & self._paused)

    def _pause(self, numbers: set[int]) -> None:
        self._consumer.pause(self._partitions(numbers))
        self._paused |= numbers

    def _resume(self, numbers: set[int]) -> None:
        self._consumer.resume(self._partitions(numbers))
        self._paused -= numbers

    def _partitions(self, numbers: set[int]) -> list[TopicPartition]:
        topic = self._settings.kafka_input_topic
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    def _give_up(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = {each.partition for each in partitions}
        self._ours -= numbers
        self._on_taken_away(numbers)

    def _take_answer(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        errors = [error, *(each.error for each in offsets)]
        self._on_commit(next((each.str() for each in errors if each is not None), None))

    def _judge(self, error: KafkaError) -> None:
        self._on_error()
        if error.code() == KafkaError._FATAL:  # noqa: SLF001 - the client's public constant
            if "fenced" in error.str():
                raise ConfigurationError(
                    f"KAFKA_GROUP_INSTANCE_ID={self._settings.kafka_group_instance_id}: another"
                    " process has joined the group under this name; each needs its own"
                )
            raise TransientError(f"the Kafka client cannot go on: {error.str()}")
        if error.code() in _REFUSALS:
            raise ConfigurationError(f"Kafka refuses to let us read: {error.str()}")
        logger.warning("consumer_error", reason=error.str())
