"""Says, in metrics and logs, how complete one product's trades are."""

from loguru import logger

from trade_producer.metrics import Metrics
from trade_producer.sequencer import Gap, TradeSequencer


class CompletenessReport:
    """Follows a sequencer; each gap is told of when it opens and when it has closed."""

    def __init__(self, sequencer: TradeSequencer, metrics: Metrics) -> None:
        self._sequencer = sequencer
        self._metrics = metrics
        self._product_id = sequencer.product_id
        self._open_gap: Gap | None = None
        self._lost_count = 0
        self._late_count = 0

    def lose(self, ids: Gap) -> None:
        """Count trades that nobody has."""
        logger.error(
            "trades_missing", product_id=self._product_id, first_id=ids.first_id, count=len(ids)
        )
        self._metrics.missing_trades.labels(self._product_id).inc(len(ids))
        self._lost_count += len(ids)

    def update(self) -> None:
        """Look at what the sequencer holds and has released."""
        self._metrics.held_trades.labels(self._product_id).set(self._sequencer.held_count)
        gap = self._sequencer.gap
        if gap is not None and self._open_gap is None:
            self._open(gap)
        elif gap is None and self._open_gap is not None:
            self._close(self._open_gap)
        self._count_late()

    def _open(self, gap: Gap) -> None:
        self._open_gap, self._lost_count = gap, 0
        self._metrics.gaps_found.labels(self._product_id).inc()
        logger.info("gap_found", product_id=self._product_id, first_id=gap.first_id, count=len(gap))

    def _close(self, gap: Gap) -> None:
        self._open_gap = None
        if self._lost_count == 0:
            self._metrics.gaps_filled.labels(self._product_id).inc()
        logger.info(
            "gap_closed",
            product_id=self._product_id,
            first_id=gap.first_id,
            lost_count=self._lost_count,
        )

    def _count_late(self) -> None:
        late_count = self._sequencer.late_count - self._late_count
        if late_count > 0:
            self._late_count += late_count
            self._metrics.late_trades.labels(self._product_id).inc(late_count)
            logger.warning("trades_late", product_id=self._product_id, count=late_count)
