"""One record of trades in, the candles it closes out: the step between the two topics."""

from dataclasses import dataclass

from loguru import logger

from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder, Folded
from candlecast.market.time_grid import floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.candle_record import EndOfStream
from candlecast.messaging.headers import Headers, require_market_data_source
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record
from trade_to_ohlc.metrics import Metrics


@dataclass(frozen=True, slots=True)
class FoldedRecord:
    """What became of one record.

    Attributes:
        outputs: candles to send, and the end of the stream when the record said so.
        late: trades whose candle was closed already; None if there were none.
        snapshot: the state after the record.
    """

    outputs: list[Candle | EndOfStream]
    late: TradeBatch | None
    snapshot: bytes


class TradeFold:
    """Folds records into candles and counts what it sees."""

    def __init__(self, *, window_ms: int, market_data_source: str, metrics: Metrics) -> None:
        self._window_ms = window_ms
        self._market_data_source = market_data_source
        self._metrics = metrics

    def decode(self, value: bytes | None, headers: Headers) -> TradesRecord:
        """Read a record.

        Raises:
            InvalidMessageError: it cannot be read, or comes from another market data source.
        """
        require_market_data_source(headers, self._market_data_source)
        return decode_trades_record(value)

    def fold(self, record: TradesRecord, snapshot: bytes | None) -> FoldedRecord:
        """Fold one record into the state that `snapshot` holds (None: no state yet)."""
        builder = self._restore(record.product_id, snapshot)
        if record.start is not None:
            self._begin(builder, record)
        folded = builder.add(record.batch, watermark_ms=record.watermark_ms)
        self._count(record, folded, builder.watermark_ms)
        outputs: list[Candle | EndOfStream] = list(folded.candles)
        if record.end_of_stream:
            outputs.append(EndOfStream(record.product_id))
        return FoldedRecord(outputs=outputs, late=folded.late, snapshot=builder.snapshot())

    def late_reason(self, late: TradeBatch) -> str:
        """Say which windows late trades belong to: they have to be repaired."""
        starts = {floor_to_window(int(moment), self._window_ms) for moment in late.timestamp_ms}
        return f"late trades of {late.product_id}; windows to repair: {sorted(starts)}"

    def _restore(self, product_id: str, snapshot: bytes | None) -> CandleBuilder:
        if snapshot is None:
            return CandleBuilder(product_id, window_ms=self._window_ms)
        return CandleBuilder.restore(product_id, snapshot, window_ms=self._window_ms)

    def _begin(self, builder: CandleBuilder, record: TradesRecord) -> None:
        if record.start is None:
            return
        given_up = builder.begin(
            record.start.timestamp_ms, previous_close=record.start.previous_close
        )
        if given_up > 0:
            self._metrics.abandoned_windows.labels(record.product_id).inc(given_up)
            logger.warning(
                "stream_started_anew",
                product_id=record.product_id,
                start_ms=record.start.timestamp_ms,
                abandoned_windows=given_up,
            )

    def _count(self, record: TradesRecord, folded: Folded, watermark_ms: int) -> None:
        metrics, product_id = self._metrics, record.product_id
        metrics.trades_in.labels(product_id).inc(len(record.batch))
        metrics.candles_out.labels(product_id).inc(len(folded.candles))
        metrics.watermark_seconds.labels(product_id).set(watermark_ms / 1000)
        if folded.duplicate_count > 0:
            metrics.duplicate_trades.labels(product_id).inc(folded.duplicate_count)
        if folded.missing_count > 0:
            metrics.missing_trades.labels(product_id).inc(folded.missing_count)
        if folded.warm_up_count > 0:
            metrics.warm_up_trades.labels(product_id).inc(folded.warm_up_count)
        if folded.late is not None:
            metrics.late_trades.labels(product_id).inc(len(folded.late))
