"""Writes one batch at a time, in the background, again and again until the store has it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, wait

from loguru import logger

from candlecast.errors import TransientError
from candlecast.market.candle import Candle
from candlecast.messaging.dead_letter import DeadLetterWriter
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.monitoring import Readiness
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.feature_rows import FeatureRows
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.batch import CandleBatch, UnreadableRecord
from kafka_to_feature_store.metrics import Metrics

STORE = "store_accepts_writes"
_LONGEST_PAUSE_SECONDS = 15.0
_SLOW_SECONDS = 5.0


class BatchWriter:
    """Holds a batch from the moment it is to be written until it is.

    Unreadable records are put aside first, each once, however often the store refuses the rows.
    Times are handed in (monotonic seconds).
    """

    def __init__(
        self,
        write_rows: Callable[[FeatureRows], None],
        *,
        dead_letters: DeadLetterWriter,
        calls: BackgroundCalls,
        readiness: Readiness,
        metrics: Metrics,
    ) -> None:
        self._write_rows = write_rows
        self._dead_letters = dead_letters
        self._calls = calls
        self._readiness = readiness
        self._metrics = metrics
        self._batch: CandleBatch | None = None
        self._unreadable: list[UnreadableRecord] = []
        self._candles: list[Candle] = []
        self._call: Future[None] | None = None
        self._started_seconds = 0.0
        self._again_seconds = 0.0
        self._pauses = _pauses()
        readiness.set(STORE, holds=True)

    @property
    def is_busy(self) -> bool:
        """Whether it has a batch that is not written yet."""
        return self._batch is not None

    @property
    def is_refused(self) -> bool:
        """Whether the store has refused the batch and is not being asked at this moment."""
        return self._batch is not None and self._call is None

    @property
    def waiting_records(self) -> int:
        """How many records it has that are not stored yet."""
        return len(self._batch) if self._batch is not None else 0

    def start(self, batch: CandleBatch, now_seconds: float) -> None:
        """Take over a batch; only when not busy."""
        self._batch = batch
        self._unreadable = batch.unreadable
        self._try(now_seconds)

    def advance(self, now_seconds: float) -> CandleBatch | None:
        """Look how the write goes; return the batch once the store has it.

        Raises:
            ConfigurationError: the store will never take it.
        """
        if self._batch is None:
            return None
        if self._call is None:
            if now_seconds >= self._again_seconds:
                self._try(now_seconds)
            return None
        if not self._call.done():
            self._report_slowness(now_seconds - self._started_seconds)
            return None
        call, self._call = self._call, None
        try:
            call.result()
        except TransientError as error:
            self._on_refusal(error, now_seconds)
            return None
        self._on_success()
        written, self._batch = self._batch, None
        return written

    def wait(self, seconds: float) -> bool:
        """Wait for the call that is being made; False when it took longer or none is."""
        return self._call is not None and bool(wait([self._call], timeout=seconds).done)

    def forget(self, partitions: Collection[int]) -> None:
        """Leave out what was read from these partitions, as far as it is not being written."""
        if self._batch is None:
            return
        self._batch.forget(partitions)
        if self._batch.is_empty and self._call is None:
            self._batch = None

    def _try(self, now_seconds: float) -> None:
        if self._batch is None:
            return
        self._candles = self._batch.candles
        rows = candles_to_rows(self._candles)
        self._started_seconds = now_seconds
        self._call = self._calls.start(lambda: self._write(rows), name="write")

    def _write(self, rows: FeatureRows) -> None:
        while self._unreadable:
            record = self._unreadable[0]
            self._dead_letters.write(record.value, key=record.key, reason=record.reason)
            self._unreadable.pop(0)
            self._metrics.dead_letters.inc()
            logger.warning("record_put_aside", topic=self._dead_letters.topic, reason=record.reason)
        if len(rows) > 0:
            with self._metrics.write_seconds.time():
                self._write_rows(rows)

    def _on_success(self) -> None:
        for product_id, count in Counter(candle.product_id for candle in self._candles).items():
            self._metrics.rows_out.labels(product_id).inc(count)
        newest_ms = {candle.product_id: candle.timestamp_ms for candle in self._candles}
        for product_id, timestamp_ms in newest_ms.items():
            self._metrics.newest_row_seconds.labels(product_id).set(timestamp_ms / 1000)
        if STORE in self._readiness.degraded:
            logger.info("store_recovered", rows=len(self._candles))
        logger.debug("rows_written", rows=len(self._candles))
        self._candles = []
        self._pauses = _pauses()
        self._report(None)

    def _on_refusal(self, error: TransientError, now_seconds: float) -> None:
        pause_seconds = max(next(self._pauses), error.retry_after_seconds or 0.0)
        self._again_seconds = now_seconds + pause_seconds
        self._metrics.store_errors.labels("write").inc()
        self._report(str(error))
        logger.error("store_refused", reason=str(error), retry_seconds=round(pause_seconds, 1))

    def _report_slowness(self, seconds: float) -> None:
        if seconds >= _SLOW_SECONDS:
            self._report(f"a write has been going on for {seconds:.0f} s")

    def _report(self, trouble: str | None) -> None:
        self._readiness.set(STORE, holds=trouble is None)
        self._readiness.degrade(STORE, trouble)


def _pauses() -> Iterator[float]:
    return backoff_delays(maximum_seconds=_LONGEST_PAUSE_SECONDS)
