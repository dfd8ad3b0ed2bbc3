"""Topics: waiting for the broker, creating, deleting."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from loguru import logger

from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.connection import ClientConfig, admin_client
from candlecast.runtime.backoff import backoff_delays

_REQUEST_TIMEOUT_SECONDS = 30.0
_PROBE_TIMEOUT_SECONDS = 5.0
_ATTEMPT_SECONDS = 0.5
_USABLE_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpecification:
    """A topic that a service needs.

    Attributes:
        name: the topic.
        partitions, replication_factor: used only where it has to be created.
        config: broker-side configuration, for instance {"retention.ms": "-1"}.
    """

    name: str
    partitions: int
    replication_factor: int = -1
    config: dict[str, str] = field(default_factory=dict)


def wait_for_broker(
    config: ClientConfig,
    *,
    wait: Callable[[float], bool],
    delays: Iterator[float] | None = None,
) -> bool:
    """Wait until the broker answers; it may be away for any time.

    Args:
        config: how to reach it.
        wait: sleeps for some seconds; returns True when the service should stop instead.
        delays: seconds between attempts.

    Returns:
        False when the service was asked to stop before the broker answered.

    Raises:
        ConfigurationError: the broker refuses these credentials, or the client its settings.
    """
    for delay_seconds in delays if delays is not None else backoff_delays(maximum_seconds=10.0):
        try:
            _list_topics(config)
        except TransientError as error:
            logger.warning("broker_unreachable", reason=str(error), retry_seconds=delay_seconds)
            if wait(delay_seconds):
                return False
        else:
            return True
    return False


def create_topics(config: ClientConfig, topics: Sequence[TopicSpecification]) -> None:
    """Create the topics that do not exist, and wait until all of them can be read and written.

    Those that exist stay as they are; no permission to create topics is needed for them.

    Raises:
        TransientError: the broker did not do it now.
        ConfigurationError: it never will (for instance a name that is not allowed).
    """
    if not topics:
        return
    admin = admin_client(config)
    existing = existing_topics(config)
    missing = [topic for topic in topics if topic.name not in existing]
    if missing:
        _create(admin, missing)
    _wait_until_usable(admin, [topic.name for topic in topics])


def _create(admin: AdminClient, topics: Sequence[TopicSpecification]) -> None:
    new_topics = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            config=topic.config,
        )
        for topic in topics
    ]
    futures = admin.create_topics(new_topics, request_timeout=_REQUEST_TIMEOUT_SECONDS)
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            _raise_unless(error, KafkaError.TOPIC_ALREADY_EXISTS, f"creating topic {name}")


def _wait_until_usable(admin: AdminClient, names: Sequence[str]) -> None:
    """Wait until every partition answers: brokers hear of a new topic one after the other."""
    deadline_seconds = time.monotonic() + _REQUEST_TIMEOUT_SECONDS
    while True:
        try:
            _ask_every_partition(admin, names)
        except KafkaException as error:
            if time.monotonic() > deadline_seconds:
                raise TransientError(
                    f"topics {', '.join(names)} cannot be used yet: {error.args[0].str()}"
                ) from error
            time.sleep(_USABLE_POLL_SECONDS)
        else:
            return


def _ask_every_partition(admin: AdminClient, names: Sequence[str]) -> None:
    topics = admin.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS).topics
    partitions = []
    for name in names:
        if name not in topics or topics[name].error is not None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        partitions += [TopicPartition(name, number) for number in topics[name].partitions]
    futures = admin.list_offsets(
        dict.fromkeys(partitions, OffsetSpec.latest()), request_timeout=_REQUEST_TIMEOUT_SECONDS
    )
    for future in futures.values():
        future.result()


def delete_topics(config: ClientConfig, names: Sequence[str]) -> None:
    """Delete topics; those that do not exist are deleted already."""
    if not names:
        return
    admin = admin_client(config)
    futures = admin.delete_topics(list(names), request_timeout=_REQUEST_TIMEOUT_SECONDS)
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            _raise_unless(error, KafkaError.UNKNOWN_TOPIC_OR_PART, f"deleting topic {name}")


def existing_topics(config: ClientConfig) -> set[str]:
    """Return the names of all topics.

    Raises:
        TransientError: the broker does not answer.
    """
    return _list_topics(config)


def _list_topics(config: ClientConfig) -> set[str]:
    # The client knows at once why nobody answers, but says so to a callback only, and the call goes
    # on waiting; so it is made again and again, for as long as there is no answer and no reason.
    reported: list[KafkaError] = []
    admin = admin_client(config, on_error=reported.append)
    deadline_seconds = time.monotonic() + _PROBE_TIMEOUT_SECONDS
    while True:
        try:
            return set(admin.list_topics(timeout=_ATTEMPT_SECONDS).topics)
        except KafkaException as error:
            admin.poll(0)  # the client calls back from here
            if reported or time.monotonic() > deadline_seconds:
                raise _judge_silence(config, error.args[0], reported) from error


def _judge_silence(
    config: ClientConfig, error: KafkaError, reported: Sequence[KafkaError]
) -> ConfigurationError | TransientError:
    """Find out why nobody answers: the error itself says no more than that."""
    telling = [each for each in reported if each.code() != KafkaError._ALL_BROKERS_DOWN]  # noqa: SLF001 - public constants
    for each in telling:
        if each.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            return ConfigurationError(
                "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: Kafka refuses them at "
                f"{config['bootstrap.servers']} ({each.str()})"
            )
    reason = (telling[0] if telling else error).str()
    return TransientError(f"no Kafka broker answers at {config['bootstrap.servers']} ({reason})")


def _raise_unless(error: KafkaException, harmless_code: int, doing: str) -> None:
    kafka_error = error.args[0]
    if kafka_error.code() == harmless_code:
        return
    if kafka_error.code() in (
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    ):
        raise ConfigurationError(f"{doing}: {kafka_error.str()}") from error
    raise TransientError(f"{doing}: {kafka_error.str()}") from error
