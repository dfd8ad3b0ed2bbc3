import pytest
from benchmarks.pipeline.latencies import (
    SeenTrades,
    Span,
    from_candle_to_store,
    from_socket_to_trades,
    from_watermark_to_candle,
)

from candlecast.errors import InvariantError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord

PRODUCT = "BTC/USD"
SPAN = Span(start_seconds=100.0, end_seconds=200.0)
WINDOW_MS = 1_000


def seen(
    readable_seconds: float, *trade_ids: int, watermark_ms: int = 0, product_id: str = PRODUCT
) -> SeenTrades:
    batch = TradeBatch.from_columns(
        product_id,
        trade_id=trade_ids,
        timestamp_ms=[1] * len(trade_ids),
        price=[1.0] * len(trade_ids),
        quantity=[1.0] * len(trade_ids),
        is_buy=[True] * len(trade_ids),
    )
    record = TradesRecord(
        batch=batch, last_trade_id=0, last_timestamp_ms=0, watermark_ms=watermark_ms
    )
    return SeenTrades(record, readable_seconds)


def test_a_record_is_as_late_as_its_first_trade() -> None:
    arrivals = {(PRODUCT, 7): 150.0, (PRODUCT, 8): 150.002}
    latencies = from_socket_to_trades(arrivals, [seen(150.005, 7, 8)], SPAN)
    assert latencies.milliseconds == pytest.approx([5.0])


def test_what_rest_brought_first_is_left_out_and_counted() -> None:
    arrivals = {(PRODUCT, 8): 150.5}
    latencies = from_socket_to_trades(arrivals, [seen(150.0, 7), seen(150.0, 8)], SPAN)
    assert latencies.milliseconds == ()
    assert latencies.left_out == 2


def test_what_happens_outside_of_the_span_is_no_sample() -> None:
    arrivals = {(PRODUCT, 7): 99.0, (PRODUCT, 8): 250.0}
    latencies = from_socket_to_trades(arrivals, [seen(99.5, 7)], SPAN)
    assert latencies.milliseconds == ()


def test_a_trade_that_is_never_published_is_no_latency_but_a_loss() -> None:
    with pytest.raises(InvariantError, match="not published"):
        from_socket_to_trades({(PRODUCT, 7): 150.0}, [], SPAN)


def test_only_records_that_end_a_candle_are_samples() -> None:
    trades = [
        seen(150.0, watermark_ms=10_400),
        seen(151.0, watermark_ms=10_900),
        seen(152.0, watermark_ms=12_100),
        seen(152.5, watermark_ms=10_900, product_id="ETH/USD"),
    ]
    candles = {(PRODUCT, 11_000): 152.003, (PRODUCT, 12_000): 152.004}
    latencies = from_watermark_to_candle(trades, candles, window_ms=WINDOW_MS, span=SPAN)
    assert latencies.milliseconds == pytest.approx([4.0])


def test_a_candle_that_never_comes_is_a_loss() -> None:
    trades = [seen(150.0, watermark_ms=10_400), seen(151.0, watermark_ms=11_000)]
    with pytest.raises(InvariantError, match="no candle of BTC/USD at 11000"):
        from_watermark_to_candle(trades, {}, window_ms=WINDOW_MS, span=SPAN)


def test_each_candle_of_the_span_is_followed_into_the_store() -> None:
    candles = {(PRODUCT, 1): 99.0, (PRODUCT, 2): 150.0}
    latencies = from_candle_to_store(candles, {(PRODUCT, 2): 150.12}, SPAN)
    assert latencies.milliseconds == pytest.approx([120.0])


def test_a_row_that_is_never_stored_is_a_loss() -> None:
    with pytest.raises(InvariantError, match="not in the store"):
        from_candle_to_store({(PRODUCT, 2): 150.0}, {}, SPAN)
