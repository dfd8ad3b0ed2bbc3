"""Judges: what was published, compared with what the simulator knows."""

import math
from collections.abc import Callable, Iterable

import msgspec
import pytest

from candlecast.messaging.trades_record import TradesRecord
from kraken_simulator.testing import RunningSimulator
from trade_producer.testing.folding import FoldedStream, fold

RequireTruth = Callable[..., FoldedStream]


@pytest.fixture
def require_truth() -> RequireTruth:
    """Compare the candles of records with the simulator's truth; return the folded stream."""

    def require(
        simulator: RunningSimulator,
        records: Iterable[TradesRecord],
        product_id: str,
        *,
        start_ms: int,
        end_ms: int,
    ) -> FoldedStream:
        stream = fold(records, product_id)
        candles = [msgspec.to_builtins(c) for c in stream.between(start_ms, end_ms)]
        truth = [dict(candle) for candle in simulator.truth(product_id, start_ms, end_ms)]
        assert len(truth) == (end_ms - start_ms) // 60_000
        for true in truth:
            true["vwap"] = pytest.approx(true["vwap"], rel=1e-12)
        assert candles == truth
        assert stream.late_count == 0
        assert not any(math.isnan(candle["close"]) for candle in candles)
        return stream

    return require
