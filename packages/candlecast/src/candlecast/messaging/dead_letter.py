"""What becomes of records that cannot be read."""

from collections import deque

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import DEAD_LETTER_REASON

_DELIVERY_TIMEOUT_SECONDS = 8.0
"""Less than a service that was told to stop may take."""
_LONGEST_REASON = 2_000
_CUT_BYTES = 100_000
DEAD_LETTER_SUFFIX = "_dead_letter"


class DeadLetterQuota:
    """Stops a service that would put aside most of what it reads.

    A few unreadable records are the sender's fault; many are a wrong topic or a wrong version, and
    going on would empty the topic into the dead letters.
    """

    def __init__(self, *, largest_share: float, of_latest: int = 1_000, at_least: int = 20) -> None:
        self._largest_share = largest_share
        self._at_least = at_least
        self._was_rejected: deque[bool] = deque(maxlen=of_latest)
        self._rejected = 0

    def count(self, *, rejected: bool, reason: str = "") -> None:
        """Count one record.

        Raises:
            ConfigurationError: more than the allowed share of the latest records was rejected.
        """
        if len(self._was_rejected) == self._was_rejected.maxlen and self._was_rejected[0]:
            self._rejected -= 1
        self._was_rejected.append(rejected)
        self._rejected += rejected
        seen = len(self._was_rejected)
        if rejected and seen >= self._at_least and self._rejected > seen * self._largest_share:
            raise ConfigurationError(
                f"{self._rejected} of the latest {seen} records could not be read, more than "
                f"DEAD_LETTER_SHARE={self._largest_share}; is this the right topic? "
                f"The last reason: {reason}"
            )


class DeadLetterWriter:
    """Writes unreadable records to the dead-letter topic of the topic they came from.

    A write returns when the broker has the record: the caller may then commit the input's offset.
    """

    def __init__(self, config: ClientConfig, *, input_topic: str) -> None:
        self.topic = input_topic + DEAD_LETTER_SUFFIX
        self._producer = Producer(
            {**config, "enable.idempotence": True, "linger.ms": 0}, logger=client_log
        )

    def write(self, value: bytes | None, *, key: bytes | None, reason: str) -> None:
        """Put one record aside, with the reason in its header.

        Raises:
            TransientError: the broker did not take it.
        """
        error = self._deliver(value, key, reason)
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            # It came in just below the limit, and the header is too much. Its beginning says
            # enough; the whole of it is still where it came from.
            note = f"the first {_CUT_BYTES} of {len(value or b'')} bytes; "
            error = self._deliver(value and value[:_CUT_BYTES], key, note + reason)
        if error is not None:
            raise TransientError(
                f"the broker does not take dead letters on {self.topic}: {error.str()}"
            )

    def _deliver(self, value: bytes | None, key: bytes | None, reason: str) -> KafkaError | None:
        outcome: list[KafkaError | None] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            outcome.append(error)

        try:
            self._producer.produce(
                self.topic,
                value=value,
                key=key,
                headers=[(DEAD_LETTER_REASON, reason[:_LONGEST_REASON].encode())],
                on_delivery=on_delivery,
            )
        except KafkaException as error:
            refusal: KafkaError = error.args[0]
            return refusal
        self._producer.flush(_DELIVERY_TIMEOUT_SECONDS)
        return outcome[0] if outcome else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - a public constant
