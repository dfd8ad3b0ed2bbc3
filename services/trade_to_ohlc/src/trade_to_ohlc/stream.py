"""Quix Streams, made to keep this project's rules about signals and errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException
from loguru import logger
from quixstreams import Application
from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout
from quixstreams.exceptions import PartitionAssignmentError
from quixstreams.kafka.exceptions import BaseKafkaException
from quixstreams.models.topics.exceptions import (
    CreateTopicFailure,
    CreateTopicTimeout,
    TopicConfigurationError,
    TopicConfigurationMismatch,
    TopicNameLengthExceeded,
    TopicPartitionsMismatch,
    TopicPermissionError,
)

from candlecast.errors import ConfigurationError, TransientError

_FOR_A_PERSON = (
    TopicConfigurationError,
    TopicConfigurationMismatch,
    TopicNameLengthExceeded,
    TopicPartitionsMismatch,
    TopicPermissionError,
)
# A refused commit, an undelivered record, a state that another process still holds: the process
# ends without committing, and the next one goes on from what was committed.
_FOR_A_RESTART = (
    BaseKafkaException,
    CheckpointProducerTimeout,
    CreateTopicFailure,
    CreateTopicTimeout,
    KafkaException,
    PartitionAssignmentError,
)


class StreamApplication(Application):
    """An application that leaves signals to the process.

    Quix would install handlers of its own when it starts to run, and a signal that came before
    then, or between that and its first turn, would be lost.
    """

    def _setup_signal_handlers(self) -> None:
        """Whoever runs this listens, and calls `stop`."""


@contextmanager
def errors_by_policy() -> Iterator[None]:
    """Turn what Quix and the Kafka client raise into errors that say what to do.

    Raises:
        ConfigurationError: a person has to change a setting or a topic.
        TransientError: a restart goes on where this ended.
    """
    try:
        yield
    except _FOR_A_PERSON as error:
        raise ConfigurationError(str(error)) from error
    except _FOR_A_RESTART as error:
        cause = error.__cause__ or error
        raise TransientError(f"the stream stopped: {type(cause).__name__}: {cause}") from error


def leave_to_the_process(error: Exception, _subject: object, _logger: object) -> bool:
    """Let an error through unlogged: the process logs it when it ends."""
    logger.debug("stream_error", error=type(error).__name__)
    return False
