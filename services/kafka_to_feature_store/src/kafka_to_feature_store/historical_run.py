"""When a historical run is complete: every product's end has been committed, by whom it may be."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaException, TopicPartition
from loguru import logger

from candlecast.errors import InvalidMessageError, TransientError
from candlecast.messaging.candle_record import EndOfStream, decode_candle_record
from candlecast.messaging.connection import client_log
from candlecast.messaging.tail import read_last_records
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.settings import Settings

_QUIET_SECONDS = 5.0
_TIMEOUT_SECONDS = 30.0


class HistoricalRun:
    """Which products of a run have not ended yet.

    Ends that this process reads are finished when their offset is committed. Those that were
    committed before, or by another member of the group, are asked for: at the start, and again
    when nothing has come for a while. Times are handed in (monotonic seconds).
    """

    def __init__(
        self,
        product_ids: Collection[str],
        *,
        find_finished: Callable[[], set[str]],
        calls: BackgroundCalls,
    ) -> None:
        self.unfinished = set(product_ids)
        self._find_finished = find_finished
        self._calls = calls
        self._call: Future[set[str]] | None = None
        self._ask_seconds = 0.0
        self._read_ends: dict[str, tuple[int, int]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the end of every product has been committed."""
        return not self.unfinished

    @property
    def has_read_every_end(self) -> bool:
        """Whether nothing more will come: what has been read can be written at once."""
        return self.unfinished <= self._read_ends.keys()

    def advance(self, now_seconds: float) -> None:
        """Ask for finished products when it is time; take note of the answer."""
        if self._call is None:
            if now_seconds >= self._ask_seconds:
                self._call = self._calls.start(self._find_finished, name="find_finished")
        elif self._call.done():
            call, self._call = self._call, None
            self._ask_seconds = now_seconds + _QUIET_SECONDS
            try:
                self._finish(call.result())
            except TransientError as error:
                logger.warning("finished_products_unknown", reason=str(error))

    def note_records(self, now_seconds: float) -> None:
        """Take note that records come."""
        self._ask_seconds = now_seconds + _QUIET_SECONDS

    def note_end(self, product_id: str, *, partition: int, next_offset: int) -> None:
        """Take note that a product's end was read; it is not committed yet."""
        self._read_ends[product_id] = (partition, next_offset)

    def note_committed(self, next_offsets: Mapping[int, int]) -> None:
        """Finish the products whose end is among what was committed."""
        self._finish(
            product_id
            for product_id, (partition, next_offset) in self._read_ends.items()
            if next_offsets.get(partition, 0) >= next_offset
        )

    def forget(self, partitions: Collection[int]) -> None:
        """Leave the ends on these partitions to whoever reads them now."""
        self._read_ends = {
            product_id: end
            for product_id, end in self._read_ends.items()
            if end[0] not in partitions
        }

    def _finish(self, product_ids: Iterable[str]) -> None:
        for product_id in self.unfinished.intersection(product_ids):
            self.unfinished.discard(product_id)
            logger.info("product_finished", product_id=product_id, unfinished=len(self.unfinished))


def find_finished_products(settings: Settings) -> set[str]:
    """Return the products whose newest record is their end, committed by the consumer group.

    Raises:
        TransientError: the broker does not answer.
    """
    keys = {product_id.encode() for product_id in settings.product_ids}
    newest = read_last_records(settings.client_config(), settings.kafka_input_topic, keys)
    ends = {
        key.decode(): (message.partition(), message.offset())
        for key, message in newest.items()
        if _is_end(message.value())
    }
    committed = _committed_offsets(settings, {partition for partition, _ in ends.values()})
    return {name for name, (partition, offset) in ends.items() if committed[partition] > offset}


def _is_end(value: bytes | None) -> bool:
    try:
        return isinstance(decode_candle_record(value), EndOfStream)
    except InvalidMessageError:
        return False


def _committed_offsets(settings: Settings, partitions: Collection[int]) -> dict[int, int]:
    if not partitions:
        return {}
    topic, group = settings.kafka_input_topic, settings.kafka_consumer_group
    # Asking does not make a member of the group.
    consumer = Consumer(
        {**settings.client_config(), "group.id": group, "enable.auto.commit": False},
        logger=client_log,
    )
    try:
        committed = consumer.committed(
            [TopicPartition(topic, partition) for partition in sorted(partitions)],
            timeout=_TIMEOUT_SECONDS,
        )
    except KafkaException as error:
        raise TransientError(f"offsets of {group}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return {each.partition: each.offset for each in committed}
