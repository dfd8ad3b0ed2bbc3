"""The Quix Streams application around the fold."""

from typing import Any

from loguru import logger
from quixstreams.kafka import ConnectionConfig
from quixstreams.state import State

from candlecast.errors import ConfigurationError, InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.candle_record import EndOfStream, decode_candle_record
from candlecast.messaging.connection import client_log
from candlecast.messaging.dead_letter import DeadLetterQuota, DeadLetterWriter
from candlecast.messaging.headers import Headers
from candlecast.messaging.pipeline_topics import candles_topic, dead_letter_topic, trades_topic
from candlecast.messaging.statistics import (
    STATISTICS_INTERVAL_MS,
    parse_consumer_statistics,
)
from candlecast.messaging.tail import read_last_records
from candlecast.messaging.topics import create_topics
from candlecast.messaging.trades_record import TradesRecord, encode_trades_record
from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from trade_to_ohlc.candle_sink import CandleSink
from trade_to_ohlc.fold import TradeFold
from trade_to_ohlc.metrics import Metrics
from trade_to_ohlc.settings import Settings
from trade_to_ohlc.stream import StreamApplication, errors_by_policy, leave_to_the_process

READY = "assigned_and_recovered"
"""The condition of readiness; required from the process's first moment on."""


class TradeToOhlc:
    """Reads trades, keeps one fold per product in the stream's state, sends closed candles."""

    def __init__(self, settings: Settings, context: ServiceContext, *, stop: StopSignal) -> None:
        self._settings = settings
        self._context = context
        self._stop = stop
        self._context.readiness.require(READY)
        self._metrics = Metrics(context.registry)
        self._config = settings.client_config()
        self._create_topics()
        self._fold = TradeFold(
            window_ms=settings.window_ms,
            market_data_source=settings.market_data_source,
            metrics=self._metrics,
        )
        self._dead_letters = DeadLetterWriter(self._config, input_topic=settings.kafka_input_topic)
        self._quota = DeadLetterQuota(largest_share=settings.dead_letter_share)
        self._unfinished = self._unfinished_products()
        with errors_by_policy():
            self._application = self._build_application()

    def run(self) -> None:
        """Process until told to stop, or until every historical stream has ended.

        Raises:
            ConfigurationError: too much cannot be read, or the kept state is of another window.
            TransientError: Kafka refused something; a restart goes on where this ended.
        """
        if self._settings.is_historical and not self._unfinished:
            logger.info("nothing_left_to_do", product_ids=self._settings.product_ids)
            return
        with errors_by_policy():
            self._application.run()

    def _create_topics(self) -> None:
        settings = self._settings
        is_historical = settings.is_historical
        create_topics(
            self._config,
            [
                trades_topic(settings, settings.kafka_input_topic, is_historical=is_historical),
                candles_topic(settings, settings.kafka_output_topic, is_historical=is_historical),
                dead_letter_topic(settings, settings.kafka_input_topic),
            ],
        )

    def _unfinished_products(self) -> set[str]:
        """Return the products of a historical run whose end has not been sent yet.

        Raises:
            ConfigurationError: the output topic holds something else than candles.
        """
        if not self._settings.is_historical:
            return set()
        wanted = set(self._settings.product_ids)
        topic = self._settings.kafka_output_topic
        last = read_last_records(self._config, topic, {name.encode() for name in wanted})
        try:
            outputs = [decode_candle_record(message.value()) for message in last.values()]
        except InvalidMessageError as error:
            raise ConfigurationError(
                f"KAFKA_OUTPUT_TOPIC={topic}: holds something else than candles ({error})"
            ) from error
        return wanted - {output.product_id for output in outputs if isinstance(output, EndOfStream)}

    def _build_application(self) -> StreamApplication:
        settings = self._settings
        application = StreamApplication(
            broker_address=ConnectionConfig.from_librdkafka_dict(self._config),
            consumer_group=settings.kafka_consumer_group,
            auto_offset_reset="earliest",
            commit_interval=settings.commit_interval_seconds,
            state_dir=settings.state_dir,
            consumer_extra_config=self._consumer_config(),
            producer_extra_config={"logger": client_log},
            consumer_poll_timeout=0.5,
            # A broker that is away is waited for, not died of.
            broker_availability_timeout=0,
            on_consumer_error=self._count_error,
            on_processing_error=leave_to_the_process,
            on_producer_error=self._count_error,
            loglevel=None,
        )
        trades = application.topic(
            settings.kafka_input_topic, value_deserializer="bytes", key_deserializer="bytes"
        )
        application.dataframe(trades).filter(self._has_key, metadata=True).apply(
            self._process, stateful=True, metadata=True
        ).sink(self._build_sink())
        return application

    def _build_sink(self) -> CandleSink:
        return CandleSink(
            self._config,
            topic=self._settings.kafka_output_topic,
            market_data_source=self._settings.market_data_source,
            is_historical=self._settings.is_historical,
            stop=self._stop,
            on_wait=self._note_wait_for_broker,
        )

    def _consumer_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "session.timeout.ms": 10_000,
            # Also what Quix waits for its own messages when a broker goes away in mid-checkpoint.
            "max.poll.interval.ms": 45_000,
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
            "stats_cb": self._on_statistics,
            "logger": client_log,
            # The default of 64 MB is a queue of minutes; this is one of seconds.
            "queued.max.messages.kbytes": 16_384,
        }
        if self._settings.kafka_group_instance_id is not None:
            config["group.instance.id"] = self._settings.kafka_group_instance_id
        return config

    def _has_key(
        self, value: bytes | None, key: bytes | None, _timestamp_ms: int, _: Headers
    ) -> bool:
        self._metrics.records_in.inc()
        if key is None:
            self._put_aside(value, key=None, reason="the record has no key (the product's id)")
        return key is not None

    def _process(
        self,
        value: bytes | None,
        key: bytes,
        _timestamp_ms: int,
        headers: Headers,
        state: State[str, bytes],
    ) -> list[Candle | EndOfStream]:
        try:
            record = self._fold.decode(value, headers)
        except InvalidMessageError as error:
            self._put_aside(value, key=key, reason=str(error))
            return []
        self._quota.count(rejected=False)
        # Two products under one key would be folded into one another without their own state.
        state_key = f"candle_builder:{record.product_id}"
        folded = self._fold.fold(record, state.get_bytes(state_key))
        state.set_bytes(state_key, folded.snapshot)
        if folded.late is not None:
            self._put_late_trades_aside(folded.late, record, key)
        if record.end_of_stream:
            self._note_end(record.product_id)
        return folded.outputs

    def _put_aside(self, value: bytes | None, *, key: bytes | None, reason: str) -> None:
        self._dead_letters.write(value, key=key, reason=reason)
        self._metrics.dead_letters.inc()
        logger.warning("record_put_aside", topic=self._dead_letters.topic, reason=reason)
        self._quota.count(rejected=True, reason=reason)

    def _put_late_trades_aside(self, late: TradeBatch, record: TradesRecord, key: bytes) -> None:
        late_record = TradesRecord(
            batch=late,
            last_trade_id=record.last_trade_id,
            last_timestamp_ms=record.last_timestamp_ms,
            watermark_ms=record.watermark_ms,
        )
        reason = self._fold.late_reason(late)
        self._dead_letters.write(encode_trades_record(late_record), key=key, reason=reason)
        self._metrics.dead_letters.inc()
        logger.warning("late_trades", topic=self._dead_letters.topic, reason=reason)

    def _note_end(self, product_id: str) -> None:
        self._unfinished.discard(product_id)
        logger.info("stream_ended", product_id=product_id, unfinished=len(self._unfinished))
        if self._settings.is_historical and not self._unfinished:
            # The loop still sends what this record brought about, and commits, before it ends.
            self._application.stop()

    def _note_wait_for_broker(self) -> None:
        self._context.heartbeat.beat()
        self._context.readiness.set(READY, holds=False)

    def _count_error(self, error: Exception, _subject: object, _logger: object) -> bool:
        self._metrics.errors.inc()
        return leave_to_the_process(error, _subject, _logger)

    def _on_statistics(self, statistics: str) -> None:
        """Take liveness, readiness and lag from the client: it calls this from inside its poll."""
        self._context.heartbeat.beat()
        if self._stop.is_set:
            self._application.stop()
        consumer = parse_consumer_statistics(statistics, self._settings.kafka_input_topic)
        # Quix 3.28 has no public word for it.
        is_recovering = self._application._state_manager.recovery_required  # noqa: SLF001
        self._context.readiness.set(READY, holds=consumer.is_assigned and not is_recovering)
        self._metrics.consumer_lag.set(consumer.lag_records)
