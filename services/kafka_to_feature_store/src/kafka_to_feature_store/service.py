"""From the `ohlc` topic into the feature store: write first, then commit.

A plain consumer instead of a Quix Streams application: there is no state, offsets must follow the
store's answer, and the process stays under half of the memory (docs/adr/0003).
"""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from loguru import logger

from candlecast.errors import InvalidMessageError, TransientError
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import EndOfStream, decode_candle_record
from candlecast.messaging.connection import client_log
from candlecast.messaging.dead_letter import DeadLetterQuota, DeadLetterWriter
from candlecast.messaging.headers import require_market_data_source
from candlecast.messaging.pipeline_topics import candles_topic, dead_letter_topic
from candlecast.messaging.statistics import STATISTICS_INTERVAL_MS, parse_consumer_statistics
from candlecast.messaging.tail import read_last_records
from candlecast.messaging.topics import create_topics
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.feature_store import FeatureStore
from candlecast.store.settings import configured_ohlc_feature_group
from kafka_to_feature_store.batch import CandleBatch
from kafka_to_feature_store.metrics import Metrics
from kafka_to_feature_store.settings import Settings

_ASSIGNED = "assigned"
_STORE = "store_accepts_writes"
_POLL_SECONDS = 0.05
_LONGEST_POLL = 2_000
_TIMEOUT_SECONDS = 30.0


class KafkaToFeatureStore:
    """Consumes candles in batches, writes them, commits."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: FeatureStore,
        context: ServiceContext,
        stop: StopSignal,
    ) -> None:
        self._settings = settings
        self._store = store
        self._group = configured_ohlc_feature_group(settings)
        self._context = context
        self._stop = stop
        context.readiness.require(_ASSIGNED)
        context.readiness.set(_STORE, holds=True)
        self._metrics = Metrics(context.registry)
        self._config = settings.client_config()
        create_topics(
            self._config,
            [
                candles_topic(
                    settings, settings.kafka_input_topic, is_historical=settings.is_historical
                ),
                dead_letter_topic(settings, settings.kafka_input_topic),
            ],
        )
        self._dead_letters = DeadLetterWriter(self._config, input_topic=settings.kafka_input_topic)
        self._quota = DeadLetterQuota(largest_share=settings.dead_letter_share)
        self._batch = CandleBatch(
            largest=settings.largest_batch, longest_wait_seconds=settings.longest_wait_seconds
        )
        self._consumer = self._build_consumer()
        self._unfinished = self._unfinished_products()
        self._next_materialization_seconds = time.monotonic() + settings.materialize_seconds

    def run(self) -> None:
        """Store candles until told to stop, or until every historical stream has ended."""
        settings = self._settings
        self._consumer.subscribe([settings.kafka_input_topic])
        try:
            while not self._stop.is_set and not self._is_complete:
                self._take(self._consumer.consume(_LONGEST_POLL, timeout=_POLL_SECONDS))
                if self._batch.is_due(time.monotonic()):
                    self._write_and_commit()
                self._materialize_when_due()
            self._write_and_commit()
            if not settings.is_historical:
                self._materialize()
        finally:
            self._consumer.close()

    @property
    def _is_complete(self) -> bool:
        return self._settings.is_historical and not self._unfinished

    def _build_consumer(self) -> Consumer:
        settings = self._settings
        config = {
            **self._config,
            "group.id": settings.kafka_consumer_group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,
            "partition.assignment.strategy": "cooperative-sticky",
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
            "stats_cb": self._on_statistics,
            "queued.max.messages.kbytes": 16_384,
        }
        if settings.kafka_group_instance_id is not None:
            config["group.instance.id"] = settings.kafka_group_instance_id
        return Consumer(config, logger=client_log)

    def _unfinished_products(self) -> set[str]:
        """Return the products of a historical run whose end has not been committed yet."""
        settings = self._settings
        if not settings.is_historical:
            return set()
        topic = settings.kafka_input_topic
        keys = {product_id.encode() for product_id in settings.product_ids}
        last = read_last_records(self._config, topic, keys)
        committed = self._consumer.committed(
            [TopicPartition(topic, message.partition()) for message in last.values()],
            timeout=_TIMEOUT_SECONDS,
        )
        next_offsets = {partition.partition: partition.offset for partition in committed}
        finished = {
            message.key().decode()
            for message in last.values()
            if isinstance(decode_candle_record(message.value()), EndOfStream)
            and next_offsets[message.partition()] > message.offset()
        }
        return set(settings.product_ids) - finished

    def _take(self, messages: list[Message]) -> None:
        self._context.heartbeat.beat()
        now = time.monotonic()
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_error(error)
                continue
            self._metrics.records_in.inc()
            self._batch.add(
                self._candle_of(message),
                partition=message.partition(),
                offset=message.offset(),
                now=now,
            )
        self._metrics.waiting_rows.set(len(self._batch))

    def _candle_of(self, message: Message) -> Candle | None:
        """Return the record's candle; None for what holds none."""
        try:
            require_market_data_source(message.headers(), self._settings.market_data_source)
            record = decode_candle_record(message.value())
        except InvalidMessageError as error:
            self._put_aside(message, str(error))
            return None
        self._quota.count(rejected=False)
        if isinstance(record, EndOfStream):
            self._unfinished.discard(record.product_id)
            logger.info("stream_ended", product_id=record.product_id)
            return None
        return record

    def _put_aside(self, message: Message, reason: str) -> None:
        self._dead_letters.write(message.value(), key=message.key(), reason=reason)
        self._metrics.dead_letters.inc()
        logger.warning("record_put_aside", topic=self._dead_letters.topic, reason=reason)
        self._quota.count(rejected=True, reason=reason)

    def _write_and_commit(self) -> None:
        """Write the batch, however long the store needs; then commit. Nothing is lost between."""
        if self._batch.candles and not self._write_patiently():
            return
        offsets = [
            TopicPartition(self._settings.kafka_input_topic, partition, offset)
            for partition, offset in self._batch.next_offsets.items()
        ]
        self._batch.clear()
        if offsets:
            self._commit(offsets)

    def _write_patiently(self) -> bool:
        """Write until the store takes it; False when the service was told to stop before."""
        delays: Iterator[float] = backoff_delays(maximum_seconds=15.0)
        while True:
            try:
                self._write()
            except TransientError as error:
                delay_seconds = next(delays)
                self._metrics.store_errors.labels("write").inc()
                self._report_store(str(error))
                logger.error("store_refused", reason=str(error), retry_seconds=delay_seconds)
                if self._wait(delay_seconds):
                    return False
            else:
                self._report_store(None)
                return True

    def _write(self) -> None:
        candles = self._batch.candles
        rows = candles_to_rows(candles)
        with self._metrics.write_seconds.time():
            if self._settings.is_historical:
                self._store.write_offline(self._group, rows)
            else:
                self._store.write_online(self._group, rows)
        for candle in candles:
            self._metrics.rows_out.labels(candle.product_id).inc()
            self._metrics.newest_row_seconds.labels(candle.product_id).set(
                candle.timestamp_ms / 1000
            )

    def _wait(self, seconds: float) -> bool:
        """Wait for the store while staying a member of the group; True when told to stop."""
        self._consumer.pause(self._consumer.assignment())
        until_seconds = time.monotonic() + seconds
        while time.monotonic() < until_seconds:
            # Paused partitions bring nothing; one assigned meanwhile may, and is kept.
            self._take(self._consumer.consume(1, timeout=0.2))
            if self._stop.is_set:
                return True
        self._consumer.resume(self._consumer.assignment())
        return False

    def _commit(self, offsets: list[TopicPartition]) -> None:
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # What is not committed is read and upserted again.
            self._metrics.errors.inc()
            logger.warning("commit_failed", reason=error.args[0].str())

    def _materialize_when_due(self) -> None:
        if self._settings.is_historical or time.monotonic() < self._next_materialization_seconds:
            return
        self._next_materialization_seconds = time.monotonic() + self._settings.materialize_seconds
        self._materialize()

    def _materialize(self) -> None:
        try:
            moved = self._store.materialize(self._group)
        except TransientError as error:
            self._metrics.store_errors.labels("materialize").inc()
            self._report_store(str(error))
            logger.error("materialization_failed", reason=str(error))
            return
        self._metrics.materialized_rows.inc(moved)
        logger.debug("materialized", rows=moved)

    def _report_store(self, trouble: str | None) -> None:
        self._context.readiness.set(_STORE, holds=trouble is None)
        self._context.readiness.degrade(_STORE, trouble)

    def _on_error(self, error: KafkaError) -> None:
        self._metrics.errors.inc()
        logger.warning("consumer_error", reason=error.str())

    def _on_statistics(self, statistics: str) -> None:
        consumer = parse_consumer_statistics(statistics, self._settings.kafka_input_topic)
        self._context.readiness.set(_ASSIGNED, holds=consumer.is_assigned)
        self._metrics.consumer_lag.set(consumer.lag_records)
