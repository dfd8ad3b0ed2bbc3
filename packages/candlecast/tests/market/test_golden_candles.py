"""Real trades against candles that somebody else made of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder
from candlecast.market.time_grid import DAY_MS, MINUTE_MS, ceil_to_window, floor_to_window
from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.recordings import (
    recorded_binance_trades,
    recorded_kraken_market,
    values_of,
)

DATA = Path(__file__).parents[4] / "tests" / "data"
KRAKEN = recorded_kraken_market(DATA)


def test_409_recorded_minutes_of_kraken_are_rebuilt_exactly() -> None:
    folded = CandleBuilder("BTC/USDT").add(KRAKEN.trades, watermark_ms=KRAKEN.end_ms)

    assert [values_of(candle) for candle in folded.candles] == KRAKEN.candles
    assert len(KRAKEN.candles) == 409
    assert sum(candle.is_flat for candle in folded.candles) > 100
    assert (folded.duplicate_count, folded.missing_count, folded.late) == (0, 0, None)


@settings(max_examples=20)
@given(batch_size=st.integers(1, 300), lag_ms=st.integers(0, 20 * MINUTE_MS))
def test_they_are_also_when_the_page_comes_in_pieces_with_a_lagging_watermark(
    batch_size: int, lag_ms: int
) -> None:
    builder = CandleBuilder("BTC/USDT")
    candles: list[Candle] = []
    for start in range(0, len(KRAKEN.trades), batch_size):
        piece = KRAKEN.trades.select(slice(start, start + batch_size))
        watermark_ms = int(piece.timestamp_ms[-1]) - lag_ms
        candles += builder.add(piece, watermark_ms=watermark_ms).candles
    candles += builder.add(TradeBatch.empty("BTC/USDT"), watermark_ms=KRAKEN.end_ms).candles

    assert [values_of(candle) for candle in candles] == KRAKEN.candles


def pandas_candles(trades: TradeBatch) -> pd.DataFrame:
    """The candles of every minute between the first and the last trade, the plain way."""
    frame = pd.DataFrame(
        {
            "start_ms": trades.timestamp_ms // MINUTE_MS * MINUTE_MS,
            "trade_id": trades.trade_id,
            "price": trades.price,
            "quantity": trades.quantity,
            "notional": trades.price * trades.quantity,
            "bought": np.where(trades.is_buy, trades.quantity, 0.0),
        }
    )
    candles = frame.groupby("start_ms").agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("quantity", "sum"),
        notional=("notional", "sum"),
        trade_count=("price", "size"),
        buy_volume=("bought", "sum"),
        first_trade_id=("trade_id", "first"),
        last_trade_id=("trade_id", "last"),
    )
    candles["vwap"] = candles["notional"] / candles["volume"]
    return candles.drop(columns="notional")


@pytest.mark.parametrize(
    ("file", "minutes"),
    [("spot_btcusdt_202304_trades.csv.gz", 8), ("cm_ethusd_perp_202408_trades.csv.gz", 12)],
)
def test_recorded_binance_trades_give_the_candles_of_pandas_across_midnight(
    file: str, minutes: int
) -> None:
    trades = recorded_binance_trades(DATA / "binance" / file, "BTC/USDT")
    first_ms, last_ms = int(trades.timestamp_ms[0]), int(trades.timestamp_ms[-1])
    builder = CandleBuilder("BTC/USDT")
    builder.begin(floor_to_window(first_ms), previous_close=None)

    candles = builder.add(trades, watermark_ms=ceil_to_window(last_ms)).candles

    expected = pandas_candles(trades)
    built = pd.DataFrame([vars_of(candle) for candle in candles]).set_index("start_ms")
    exact = ["open", "high", "low", "close", "trade_count", "first_trade_id", "last_trade_id"]
    pd.testing.assert_frame_equal(built[exact], expected[exact], check_dtype=False)
    # pandas adds with rounding, so its sums are near, not exact.
    sums = ["volume", "buy_volume", "vwap"]
    pd.testing.assert_frame_equal(built[sums], expected[sums], rtol=1e-9, atol=1e-8)
    assert len(built) == len(expected) == minutes
    assert first_ms // DAY_MS < last_ms // DAY_MS


def vars_of(candle: Candle) -> dict[str, object]:
    return {name: getattr(candle, name) for name in candle.__struct_fields__}
