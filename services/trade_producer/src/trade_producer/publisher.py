"""Hands records to Kafka in order, exactly once per process."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from loguru import logger

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import MARKET_DATA_SOURCE, PRODUCER_ID
from candlecast.messaging.trades_record import TradesRecord, encode_trades_record
from trade_producer.metrics import Metrics

_QUEUE_KBYTES = 65_536
_COMFORTABLE_QUEUE_RECORDS = 500
_WAIT_STEP_SECONDS = 0.02
_LAST_FLUSH_SECONDS = 5.0


class TradePublisher:
    """Publishes `TradesRecord`s, acknowledged by all in-sync replicas and without repeats.

    A broker that is away is waited for: records queue up to 64 MB (hours of live trading). When the
    queue is full, or a record is refused, the process ends with a TransientError; the next one
    finds in the topic what was published and goes on from there. Nothing gets into the topic after
    a record that did not: the cursor in it would hide the loss.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        topic: str,
        producer_id: str,
        market_data_source: str,
        linger_ms: int,
        metrics: Metrics,
    ) -> None:
        self._topic = topic
        self._metrics = metrics
        self._headers = [
            (PRODUCER_ID, producer_id.encode()),
            (MARKET_DATA_SOURCE, market_data_source.encode()),
        ]
        self._failure: KafkaError | None = None
        self._last_progress_seconds = time.monotonic()
        self._producer = Producer(
            {
                **config,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                # murmur2 as in the Java client, so that other tools find the same partitions.
                "partitioner": "murmur2_random",
                "linger.ms": linger_ms,
                "socket.nagle.disable": True,
                "compression.type": "lz4" if linger_ms > 0 else "none",
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "queue.buffering.max.messages": 0,  # the size is limit enough
                "message.timeout.ms": 0,
            },
            logger=_producer_log(),
        )

    def publish(
        self, record: TradesRecord, *, received_monotonic_seconds: float | None = None
    ) -> None:
        """Queue a record for delivery.

        Raises:
            TransientError: the broker refused a record, or is away and the queue is full.
        """
        self.serve_deliveries()
        value = encode_trades_record(record)
        queued_seconds: float | None = None
        if received_monotonic_seconds is not None:
            queued_seconds = time.monotonic() - received_monotonic_seconds

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            self._last_progress_seconds = time.monotonic()
            if error is not None:
                self._failure = error
            elif queued_seconds is not None:
                # By the client's own clock: reports wait here until somebody asks for them.
                latency_seconds = message.latency() or 0.0
                self._metrics.publish_latency.observe(queued_seconds + latency_seconds)

        with _kafka_errors():
            self._producer.produce(
                self._topic,
                value=value,
                key=record.product_id.encode(),
                headers=self._headers,
                on_delivery=on_delivery,
            )
        self._count(record)

    def serve_deliveries(self) -> None:
        """Let the client report what has been delivered.

        Raises:
            TransientError: the broker refused a record.
        """
        with _kafka_errors():
            self._producer.poll(0)
        if self._failure is not None:
            raise TransientError(f"a record could not be delivered: {self._failure.str()}")
        undelivered = len(self._producer)
        if undelivered == 0:
            self._last_progress_seconds = time.monotonic()
        self._metrics.undelivered_records.set(undelivered)

    @property
    def seconds_without_progress(self) -> float:
        """How long the broker has not acknowledged anything although something waits."""
        return time.monotonic() - self._last_progress_seconds

    async def wait_for_room(self) -> None:
        """Wait until the queue is short, however long the broker is away.

        Raises:
            TransientError: the broker refused a record.
        """
        await self._wait_until_queued_at_most(_COMFORTABLE_QUEUE_RECORDS)

    async def wait_until_delivered(self) -> None:
        """Wait until everything is acknowledged, however long the broker is away.

        Raises:
            TransientError: the broker refused a record.
        """
        await self._wait_until_queued_at_most(0)

    async def _wait_until_queued_at_most(self, count: int) -> None:
        self.serve_deliveries()
        while len(self._producer) > count:
            await asyncio.sleep(_WAIT_STEP_SECONDS)
            self.serve_deliveries()

    def close(self) -> None:
        """Give what is queued a last chance; what does not make it is said, not an error.

        The next process goes on from what is in the topic.
        """
        try:
            remaining = self._producer.flush(_LAST_FLUSH_SECONDS)
        except KafkaException as error:
            logger.warning("records_not_delivered", reason=_text_of(error))
            return
        if remaining > 0:
            logger.warning("records_not_delivered", count=remaining, reason="no acknowledgement")

    def _count(self, record: TradesRecord) -> None:
        metrics, product_id = self._metrics, record.product_id
        metrics.records_out.inc()
        if len(record.batch) > 0:
            metrics.trades_out.labels(product_id).inc(len(record.batch))
            metrics.last_trade_id.labels(product_id).set(record.last_trade_id)
        metrics.watermark_seconds.labels(product_id).set(record.watermark_ms / 1000)


def _producer_log() -> logging.Logger:
    """The client's log without its word at every start that the guarantee is experimental.

    It does what is needed here (a test with a real broker says so).
    """
    log = client_log.getChild("producer")
    log.addFilter(_is_worth_a_line)
    return log


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return "enable.gapless.guarantee is experimental" not in record.getMessage()


@contextmanager
def _kafka_errors() -> Iterator[None]:
    """Say what the client raises as what a caller should do: start again."""
    try:
        yield
    except BufferError as error:
        raise TransientError("the broker is away and the queue is full") from error
    except KafkaException as error:
        raise TransientError(f"Kafka takes no more records: {_text_of(error)}") from error


def _text_of(error: KafkaException) -> str:
    return str(error.args[0].str())
