import pytest
from confluent_kafka import KafkaError, KafkaException
from quixstreams.checkpointing.exceptions import CheckpointConsumerCommitError
from quixstreams.exceptions import PartitionAssignmentError
from quixstreams.kafka import ConnectionConfig
from quixstreams.kafka.exceptions import KafkaConsumerException
from quixstreams.models.topics.exceptions import TopicConfigurationMismatch

from candlecast.errors import ConfigurationError, InvariantError, TransientError
from trade_to_ohlc.stream import errors_by_policy

UNKNOWN_MEMBER = KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "Unknown member")


@pytest.mark.parametrize(
    "error",
    [
        CheckpointConsumerCommitError(UNKNOWN_MEMBER),
        KafkaConsumerException(UNKNOWN_MEMBER),
        KafkaException(UNKNOWN_MEMBER),
    ],
)
def test_what_kafka_refuses_now_is_worth_a_restart(error: Exception) -> None:
    with (
        pytest.raises(TransientError, match=r"^the stream stopped: .*Unknown member"),
        errors_by_policy(),
    ):
        raise error


def test_the_cause_of_a_failed_assignment_is_said() -> None:
    error = PartitionAssignmentError("Error during partition assignment")
    error.__cause__ = OSError("state is locked")

    with (
        pytest.raises(TransientError, match="the stream stopped: OSError: state is locked"),
        errors_by_policy(),
    ):
        raise error


def test_a_topic_that_has_become_another_one_is_for_a_person() -> None:
    with pytest.raises(ConfigurationError, match="6 partitions"), errors_by_policy():
        raise TopicConfigurationMismatch("6 partitions, not 3")


@pytest.mark.parametrize(
    "error", [ConfigurationError("no"), InvariantError("bug"), ValueError("?")]
)
def test_every_other_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, errors_by_policy():
        raise error
    assert raised.value is error


def test_the_settings_that_quix_streams_logs_hide_the_secrets() -> None:
    logged = str(
        ConnectionConfig.from_librdkafka_dict(
            {
                "bootstrap.servers": "broker:9092",
                "sasl.username": "alice",
                "sasl.password": "wonderland",
                "ssl.key.password": "looking-glass",
            }
        )
    )

    assert "alice" in logged
    assert "wonderland" not in logged
    assert "looking-glass" not in logged
