"""Hands records to Kafka in order, exactly once per process."""

import asyncio
import logging
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from loguru import logger

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import MARKET_DATA_SOURCE, PRODUCER_ID
from candlecast.messaging.trades_record import TradesRecord, encode_trades_record
from trade_producer.metrics import Metrics

_QUEUE_KBYTES = 65_536
_COMFORTABLE_QUEUE_RECORDS = 500
_STEP_SECONDS = 0.02
_COLLECT_SECONDS = 0.2
_LAST_FLUSH_SECONDS = 4.0


class TradePublisher:
    """Publishes `TradesRecord`s, acknowledged by all in-sync replicas and without repeats.

    A broker that is away is waited for: records queue up to 64 MB (hours of live trading). When the
    queue is full, or a record is refused, the process ends with a TransientError; the next one
    finds in the topic what was published and goes on from there. Nothing gets into the topic after
    a record that did not: the cursor in it would hide the loss.

    A context manager: a thread of its own collects the acknowledgements meanwhile.
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
        self._failure: str | None = None
        self._last_progress_seconds = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="deliveries", daemon=True)
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
                # A broker that is back is noticed within seconds.
                "reconnect.backoff.max.ms": 2_000,
            },
            logger=_producer_log(),
        )

    def __enter__(self) -> Self:
        """Start collecting acknowledgements."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give what is queued a last chance; what does not make it is said, not an error.

        The next process goes on from what is in the topic.
        """
        remaining = len(self._producer)
        if self._failure is None:
            with suppress(KafkaException):
                remaining = self._producer.flush(_LAST_FLUSH_SECONDS)
        self._stop.set()
        self._thread.join()
        if remaining > 0:
            logger.warning("records_not_delivered", count=remaining)
            # Or the client would go on trying while the process wants to end.
            self._producer.purge()

    def publish(
        self, record: TradesRecord, *, received_monotonic_seconds: float | None = None
    ) -> None:
        """Queue a record for delivery.

        Raises:
            TransientError: the broker refused a record, or is away and the queue is full.
        """
        self.require_success()

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            self._last_progress_seconds = time.monotonic()
            if error is not None:
                self._failure = self._failure or error.str()
            elif received_monotonic_seconds is not None:
                self._metrics.publish_latency.observe(time.monotonic() - received_monotonic_seconds)

        try:
            self._producer.produce(
                self._topic,
                value=encode_trades_record(record),
                key=record.product_id.encode(),
                headers=self._headers,
                on_delivery=on_delivery,
            )
        except BufferError as error:
            raise TransientError("the broker is away and the queue is full") from error
        except KafkaException as error:
            self._failure = self._failure or _text_of(error)
            raise TransientError(f"Kafka takes no more records: {self._failure}") from error
        self._count(record)

    def require_success(self) -> None:
        """Check that all records acknowledged so far were accepted.

        Raises:
            TransientError: the broker refused a record.
        """
        if self._failure is not None:
            raise TransientError(f"a record could not be delivered: {self._failure}")

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
        while len(self._producer) > count:
            self.require_success()
            await asyncio.sleep(_STEP_SECONDS)
        self.require_success()

    def _collect(self) -> None:
        """Take acknowledgements as they come: their time is part of the latency."""
        while not self._stop.is_set():
            try:
                self._producer.poll(_COLLECT_SECONDS)
            except KafkaException as error:
                self._failure = self._failure or _text_of(error)
                return
            undelivered = len(self._producer)
            if undelivered == 0:
                self._last_progress_seconds = time.monotonic()
            self._metrics.undelivered_records.set(undelivered)

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


def _text_of(error: KafkaException) -> str:
    return str(error.args[0].str())
