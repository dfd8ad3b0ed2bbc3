"""Hands records to Kafka in order, exactly once per process."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, Message, Producer
from loguru import logger

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import MARKET_DATA_SOURCE, PRODUCER_ID
from candlecast.messaging.trades_record import TradesRecord, encode_trades_record
from trade_producer.metrics import Metrics

_QUEUE_KBYTES = 65_536
_FULL_QUEUE_PATIENCE_SECONDS = 10.0
_FLUSH_SECONDS = 8.0


class TradePublisher:
    """Publishes `TradesRecord`s, acknowledged by all in-sync replicas and without repeats.

    A broker that is away is waited for: records queue up to 64 MB (hours of live trading). When the
    queue is full, or a record is refused, the process ends with a TransientError; the next one
    finds in the topic what was published and goes on from there.
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
        on_wait: Callable[[], None],
    ) -> None:
        self._topic = topic
        self._metrics = metrics
        self._on_wait = on_wait
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
                # murmur2 as in the Java client, so that other tools find the same partitions.
                "partitioner": "murmur2_random",
                "linger.ms": linger_ms,
                "compression.type": "lz4" if linger_ms > 0 else "none",
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "message.timeout.ms": 0,
            },
            logger=client_log,
        )

    def publish(
        self, record: TradesRecord, *, received_monotonic_seconds: float | None = None
    ) -> None:
        """Queue a record for delivery.

        Args:
            record: what to publish.
            received_monotonic_seconds: when its trades arrived, to measure the latency.

        Raises:
            TransientError: the broker refused a record, or is away and the queue is full.
        """

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            self._last_progress_seconds = time.monotonic()
            if error is not None:
                self._failure = error
            elif received_monotonic_seconds is not None:
                self._metrics.publish_latency.observe(time.monotonic() - received_monotonic_seconds)

        self.serve_deliveries()
        value = encode_trades_record(record)
        deadline_seconds = time.monotonic() + _FULL_QUEUE_PATIENCE_SECONDS
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value=value,
                    key=record.product_id.encode(),
                    headers=self._headers,
                    on_delivery=on_delivery,
                )
            except BufferError as error:
                if time.monotonic() > deadline_seconds:
                    raise TransientError("the broker is away and the queue is full") from error
                self._on_wait()
                self._producer.poll(0.1)
            else:
                break
        self._count(record)

    def serve_deliveries(self) -> None:
        """Let the client report what has been delivered.

        Raises:
            TransientError: the broker refused a record.
        """
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

    def flush(self) -> None:
        """Wait for the acknowledgement of everything queued.

        Raises:
            TransientError: not everything was acknowledged in time.
        """
        remaining = self._producer.flush(_FLUSH_SECONDS)
        if remaining > 0:
            raise TransientError(f"{remaining} records were not acknowledged; a restart resends")
        self.serve_deliveries()
        logger.debug("flushed")

    def _count(self, record: TradesRecord) -> None:
        metrics, product_id = self._metrics, record.product_id
        metrics.records_out.inc()
        if len(record.batch) > 0:
            metrics.trades_out.labels(product_id).inc(len(record.batch))
            metrics.last_trade_id.labels(product_id).set(record.last_trade_id)
        metrics.watermark_seconds.labels(product_id).set(record.watermark_ms / 1000)
