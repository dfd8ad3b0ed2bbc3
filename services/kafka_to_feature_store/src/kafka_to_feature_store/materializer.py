"""Brings live rows into the history now and then, beside the writing of new ones.

It may take seconds (a compaction, another writer's lock), and a live candle has less than one.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait

from loguru import logger

from candlecast.errors import TransientError
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.monitoring import Readiness
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.metrics import Metrics

HISTORY = "history_takes_live_rows"


class Materializer:
    """Materialises every so many seconds; when that fails, again a little later.

    Times are handed in (monotonic seconds).
    """

    def __init__(
        self,
        materialize: Callable[[], int],
        *,
        every_seconds: float,
        now_seconds: float,
        calls: BackgroundCalls,
        readiness: Readiness,
        metrics: Metrics,
    ) -> None:
        self._materialize = materialize
        self._every_seconds = every_seconds
        self._next_seconds = now_seconds + every_seconds
        self._calls = calls
        self._readiness = readiness
        self._metrics = metrics
        self._call: Future[int] | None = None
        self._pauses = self._new_pauses()

    def advance(self, now_seconds: float) -> None:
        """Start when it is time; take note of what has ended."""
        if self._call is not None:
            if self._call.done():
                self._next_seconds = now_seconds + self._take_outcome(self._call)
                self._call = None
        elif now_seconds >= self._next_seconds:
            self._call = self._start()

    def finish(self, seconds: float) -> None:
        """Materialise once more, as far as it can be done in this time; the next start goes on."""
        if self._call is None or self._call.done():
            self._call = self._start()
        wait([self._call], timeout=seconds)
        if self._call.done():
            self._take_outcome(self._call)

    def _start(self) -> Future[int]:
        return self._calls.start(self._materialize, name="materialize")

    def _take_outcome(self, call: Future[int]) -> float:
        """Return how many seconds to wait before the next one."""
        try:
            moved_rows = call.result()
        except TransientError as error:
            pause_seconds = next(self._pauses)
            self._metrics.store_errors.labels("materialize").inc()
            self._readiness.degrade(HISTORY, str(error))
            logger.error(
                "materialization_failed", reason=str(error), retry_seconds=round(pause_seconds, 1)
            )
            return pause_seconds
        self._pauses = self._new_pauses()
        self._readiness.degrade(HISTORY, None)
        self._metrics.materialized_rows.inc(moved_rows)
        logger.debug("materialized", rows=moved_rows)
        return self._every_seconds

    def _new_pauses(self) -> Iterator[float]:
        return backoff_delays(initial_seconds=1.0, maximum_seconds=self._every_seconds)
