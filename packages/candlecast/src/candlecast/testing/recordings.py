"""Recorded trades, and the candles that the exchange itself made of them.

The files are those of the workspace's `tests/data`; its README says where they come from.
"""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

from candlecast.kraken.rest_parser import ExchangeCandle, parse_answer, parse_ohlc, parse_trades
from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS, ceil_to_window, floor_to_window
from candlecast.market.trade_batch import TradeBatch

CandleValues = tuple[int, float, float, float, float, float, int]
"""Start, open, high, low, close, volume and number of trades: what an exchange's candle has."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMarket:
    """Trades without a hole, and the official candles of the minutes that lie wholly in them.

    Attributes:
        trades: one page as the exchange gave it.
        first_start_ms, end_ms: the range of those minutes.
        candles: their values, oldest first.
    """

    trades: TradeBatch
    first_start_ms: int
    end_ms: int
    candles: list[CandleValues]


def recorded_kraken_market(data_directory: Path) -> RecordedMarket:
    """Read the recorded page of BTC/USDT trades and the minutes Kraken made of it."""
    trades_page = _read_result(data_directory / "kraken/rest_trades_XBTUSDT_20251110.json")
    trades = parse_trades(trades_page, "BTC/USDT").batch
    ohlc_page = _read_result(data_directory / "kraken/rest_ohlc_XBTUSDT_1m_20251110.json")
    first_start_ms = ceil_to_window(int(trades.timestamp_ms[0]))
    end_ms = floor_to_window(int(trades.timestamp_ms[-1]))
    official = parse_ohlc(ohlc_page, "BTC/USDT").candles
    within = [candle for candle in official if first_start_ms <= candle.start_ms < end_ms]
    if len(within) != (end_ms - first_start_ms) // MINUTE_MS:
        raise AssertionError("the recorded candles do not cover the recorded trades")
    return RecordedMarket(trades, first_start_ms, end_ms, [values_of(candle) for candle in within])


def values_of(candle: Candle | ExchangeCandle) -> CandleValues:
    """Return what an exchange's candle and ours have in common, to be compared exactly."""
    return (
        candle.start_ms,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.trade_count,
    )


def recorded_binance_trades(path: Path, product_id: str) -> TradeBatch:
    """Read one of the recorded Binance files."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return TradeBatch.from_columns(
        product_id,
        trade_id=[int(row["trade_id"]) for row in rows],
        timestamp_ms=[int(row["trade_time_ms"]) for row in rows],
        price=[float(row["price"]) for row in rows],
        quantity=[float(row["qty"]) for row in rows],
        is_buy=[row["taker_side"] == "b" for row in rows],
    )


def _read_result(path: Path) -> bytes:
    answer = parse_answer(path.read_bytes())
    if answer.error:
        raise AssertionError(f"{path} is an error: {answer.error}")
    return bytes(answer.result)  # type: ignore[arg-type] # UNSET would fail here
