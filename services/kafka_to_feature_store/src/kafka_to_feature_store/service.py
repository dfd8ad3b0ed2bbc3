"""From the `ohlc` topic into the feature store: write first, then commit.

A plain consumer instead of a Quix Streams application: there is no state, offsets must follow the
store's answer, and the process stays under half of the memory (docs/adr/0003).

The main thread reads, decides and keeps the membership of the group; what may take long (the
store, the broker's answers) goes on beside it.
"""

import time
from concurrent.futures import wait

from confluent_kafka import Message
from loguru import logger

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import decode_candle_record
from candlecast.messaging.dead_letter import DeadLetterQuota, DeadLetterWriter
from candlecast.messaging.headers import require_market_data_source
from candlecast.messaging.statistics import parse_consumer_statistics
from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.store.feature_store import FeatureStore
from candlecast.store.settings import configured_ohlc_feature_group
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.batch import CandleBatch, UnreadableRecord
from kafka_to_feature_store.commits import OffsetCommits
from kafka_to_feature_store.consumer import GroupMember
from kafka_to_feature_store.historical_run import HistoricalRun, find_finished_products
from kafka_to_feature_store.materializer import Materializer
from kafka_to_feature_store.metrics import Metrics
from kafka_to_feature_store.settings import Settings
from kafka_to_feature_store.writer import BatchWriter

ASSIGNED = "assigned"
_POLL_SECONDS = 0.05
_LONGEST_POLL = 2_000
_PATIENCE_SECONDS = 1.0
"""How long a full batch waits for the one before it, until reading is held back."""

# Of the ten seconds that a process has after SIGTERM:
_LAST_WRITE_SECONDS = 4.0
_LAST_MATERIALIZATION_SECONDS = 2.0
_CLOSE_SECONDS = 1.5


class KafkaToFeatureStore:
    """Consumes candles in batches, writes them, commits."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: FeatureStore,
        context: ServiceContext,
        stop: StopSignal,
        calls: BackgroundCalls,
    ) -> None:
        self._settings = settings
        self._context = context
        self._stop = stop
        self._calls = calls
        self._is_closing = False
        self._metrics = Metrics(context.registry)
        self._quota = DeadLetterQuota(largest_share=settings.dead_letter_share)
        self._batch = self._new_batch()
        self._historical_run = self._build_historical_run()
        self._materializer = self._build_materializer(store)
        self._writer = self._build_writer(store)
        self._commits = OffsetCommits()
        self._member = GroupMember(
            settings,
            on_taken_away=self._on_taken_away,
            on_commit=self._on_commit_answer,
            on_error=self._metrics.errors.inc,
            on_statistics=self._on_statistics,
        )

    def run(self) -> None:
        """Store candles until told to stop, or until every historical stream has ended.

        Raises:
            ConfigurationError: the store, the group or the records are not what settings say.
        """
        self._member.join()
        try:
            while not self._stop.is_set and not self._is_complete:
                self._turn()
            self._finish()
        finally:
            self._close()

    @property
    def _is_complete(self) -> bool:
        return self._historical_run is not None and self._historical_run.is_complete

    def _new_batch(self) -> CandleBatch:
        return CandleBatch(
            largest=self._settings.largest_batch,
            longest_wait_seconds=self._settings.longest_wait_seconds,
        )

    def _build_historical_run(self) -> HistoricalRun | None:
        if not self._settings.is_historical:
            return None
        return HistoricalRun(
            self._settings.product_ids,
            find_finished=lambda: find_finished_products(self._settings),
            calls=self._calls,
        )

    def _build_materializer(self, store: FeatureStore) -> Materializer | None:
        if self._settings.is_historical:
            return None
        group = configured_ohlc_feature_group(self._settings)
        return Materializer(
            lambda: store.materialize(group),
            every_seconds=self._settings.materialize_seconds,
            now_seconds=time.monotonic(),
            calls=self._calls,
            readiness=self._context.readiness,
            metrics=self._metrics,
        )

    def _build_writer(self, store: FeatureStore) -> BatchWriter:
        settings = self._settings
        group = configured_ohlc_feature_group(settings)
        write = store.write_offline if settings.is_historical else store.write_online
        return BatchWriter(
            lambda rows: write(group, rows),
            dead_letters=DeadLetterWriter(
                settings.client_config(), input_topic=settings.kafka_input_topic
            ),
            calls=self._calls,
            readiness=self._context.readiness,
            metrics=self._metrics,
        )

    def _turn(self) -> None:
        self._context.heartbeat.beat()
        messages = self._read()
        now_seconds = time.monotonic()
        self._take(messages, now_seconds)
        self._pass_on(now_seconds)
        if self._materializer is not None:
            self._materializer.advance(now_seconds)
        if self._historical_run is not None:
            self._historical_run.advance(now_seconds)

    def _read(self) -> list[Message]:
        room = self._batch.room
        if room > 0:
            self._member.let_go()
            due_seconds = self._batch.seconds_until_due(time.monotonic())
            may_wait_seconds = _POLL_SECONDS if self._writer.is_busy else due_seconds
            return self._member.read(min(room, _LONGEST_POLL), min(may_wait_seconds, _POLL_SECONDS))
        if self._writer.wait(_PATIENCE_SECONDS):
            return []
        self._member.hold_back()
        # Still asked, or the group would think that we are gone.
        return self._member.read(1, _POLL_SECONDS)

    def _take(self, messages: list[Message], now_seconds: float) -> None:
        for message in messages:
            self._batch.add(
                self._content_of(message),
                partition=message.partition(),
                offset=message.offset(),
                now_seconds=now_seconds,
            )
        self._metrics.records_in.inc(len(messages))
        if messages and self._historical_run is not None:
            self._historical_run.note_records(now_seconds)

    def _content_of(self, message: Message) -> Candle | UnreadableRecord | None:
        value, key = message.value(), message.key()
        try:
            require_market_data_source(message.headers(), self._settings.market_data_source)
            record = decode_candle_record(value)
        except InvalidMessageError as error:
            self._quota.count(rejected=True, reason=str(error))
            return UnreadableRecord(value=value, key=key, reason=str(error))
        self._quota.count(rejected=False)
        if isinstance(record, Candle):
            return record
        if self._historical_run is not None:
            self._historical_run.note_end(
                record.product_id, partition=message.partition(), next_offset=message.offset() + 1
            )
        return None

    def _pass_on(self, now_seconds: float, *, is_last: bool = False) -> None:
        """Bring the batch to the writer, and what is written to the broker."""
        written = self._writer.advance(now_seconds)
        if written is not None:
            self._commits.add(written.next_offsets)
        is_due = not self._batch.is_empty and (is_last or self._is_batch_due(now_seconds))
        if is_due and not self._writer.is_busy:
            self._writer.start(self._batch, now_seconds)
            self._batch = self._new_batch()
        if request := self._commits.next_request(now_seconds):
            self._member.commit(request)
        self._metrics.waiting_rows.set(len(self._batch) + self._writer.waiting_records)

    def _is_batch_due(self, now_seconds: float) -> bool:
        run = self._historical_run
        has_everything = run is not None and run.has_read_every_end
        return has_everything or self._batch.seconds_until_due(now_seconds) <= 0.0

    def _finish(self) -> None:
        """Write and commit what was read, as far as the time lasts; the rest is read again."""
        self._is_closing = True
        self._member.hold_back()
        until_seconds = time.monotonic() + _LAST_WRITE_SECONDS
        while not self._is_settled and time.monotonic() < until_seconds:
            self._context.heartbeat.beat()
            self._member.read(1, _POLL_SECONDS)
            self._pass_on(time.monotonic(), is_last=True)
        if self._materializer is not None and not self._writer.is_busy:
            self._materializer.finish(_LAST_MATERIALIZATION_SECONDS)

    @property
    def _is_settled(self) -> bool:
        """Whether waiting longer would not get more committed."""
        has_written = self._batch.is_empty and not self._writer.is_busy
        return self._commits.is_settled and (has_written or self._writer.is_refused)

    def _close(self) -> None:
        """Leave the group, but not wait for a broker that does not answer."""
        self._is_closing = True
        wait([self._calls.start(self._member.close, name="close")], timeout=_CLOSE_SECONDS)

    def _on_taken_away(self, partitions: set[int]) -> None:
        """Forget what was read from partitions that somebody else reads from now on.

        A write that is going on ends first: landing later, it could undo one of the new owner.
        """
        if not self._is_closing:
            self._writer.wait(_LAST_WRITE_SECONDS)
        self._batch.forget(partitions)
        self._writer.forget(partitions)
        self._commits.forget(partitions)
        if self._historical_run is not None:
            self._historical_run.forget(partitions)

    def _on_commit_answer(self, failure: str | None) -> None:
        if failure is not None:
            self._metrics.errors.inc()
            logger.warning("commit_failed", reason=failure)
            self._commits.note_failure()
            return
        committed = self._commits.note_success()
        if self._historical_run is not None:
            self._historical_run.note_committed(committed)

    def _on_statistics(self, statistics: str) -> None:
        consumer = parse_consumer_statistics(statistics, self._settings.kafka_input_topic)
        self._context.readiness.set(ASSIGNED, holds=consumer.is_assigned)
        self._metrics.consumer_lag.set(consumer.lag_records)
