"""Benchmark `candles`: what a trade costs between two topics, without any broker.

Every round times every part once, so that a noisy minute hits them all and ratios stay honest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure, Report, Section, ratios
from benchmarks.made_trades import (
    BTC_LIKE,
    BUSY,
    PRODUCT_ID,
    MinuteCandle,
    TradeShape,
    historical_records,
    in_columns,
    make_trades,
    minute_candles,
    require_right,
)
from benchmarks.options import Options
from candlecast.market.candle import Candle
from candlecast.market.candle_builder import CandleBuilder
from candlecast.market.time_grid import MINUTE_MS
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.candle_record import encode_candle_record
from candlecast.messaging.trades_record import (
    TradesRecord,
    decode_trades_record,
    encode_trades_record,
)

_ROUNDS, _QUICK_ROUNDS = 7, 2
_TRADES = 1_000_000
_SINGLE_TRADES = 50_000
_QUICK_DIVISOR = 20
_CEILING = "numpy reduceat over the whole input"


@dataclass(frozen=True, slots=True)
class _Input:
    """Trades, and the same trades as records."""

    name: str
    trades: TradeBatch
    records: Sequence[TradesRecord]
    encoded: Sequence[bytes]


_Speeds = dict[tuple[str, str], list[float]]
"""Trades per second, one value a round, by the names of an input and of a piece of work."""


def measure(options: Options) -> Report:
    """Measure all parts in rounds."""
    divisor = _QUICK_DIVISOR if options.is_quick else 1
    options.say("making trades")
    inputs = [
        _make_input(BUSY, _TRADES // divisor, 1_000),
        _make_input(BTC_LIKE, _TRADES // divisor, 1_000),
        _make_input(BUSY, _TRADES // divisor, 100),
        _make_input(BTC_LIKE, _TRADES // divisor, 100),
        _make_input(BUSY, _SINGLE_TRADES // divisor, 1),
    ]
    for each in inputs:
        _require_right_candles(each)
    speeds = _measure_rounds(inputs, _QUICK_ROUNDS if options.is_quick else _ROUNDS, options)
    return Report(benchmark="candles", sections=tuple(_section(each, speeds) for each in inputs))


def _make_input(shape: TradeShape, count: int, trades_per_record: int) -> _Input:
    trades = make_trades(shape, count)
    records = list(historical_records(trades, trades_per_record))
    return _Input(
        name=f"{shape.name} market, trades a record: {trades_per_record:,}",
        trades=trades,
        records=records,
        encoded=[encode_trades_record(record) for record in records],
    )


def _work(given: _Input) -> Mapping[str, Callable[[], object]]:
    """Pieces of work, each of which handles all trades of the input once."""
    return {
        _CEILING: lambda: minute_candles(given.trades),
        "CandleBuilder.add": lambda: _fold(given.records),
        "encode_trades_record": lambda: [encode_trades_record(each) for each in given.records],
        "decode_trades_record": lambda: [decode_trades_record(each) for each in given.encoded],
        "all that trade_to_ohlc does with a record": lambda: _process(given.encoded),
    }


def _fold(records: Sequence[TradesRecord]) -> list[Candle]:
    builder = CandleBuilder(PRODUCT_ID)
    candles: list[Candle] = []
    for record in records:
        if record.start is not None:
            builder.begin(record.start.timestamp_ms, previous_close=record.start.previous_close)
        candles += builder.add(record.batch, watermark_ms=record.watermark_ms).candles
    return candles


def _process(encoded: Sequence[bytes]) -> list[bytes]:
    """Do for each record what trade_to_ohlc does: its state is kept as bytes in between."""
    outputs: list[bytes] = []
    snapshot = CandleBuilder(PRODUCT_ID).snapshot()
    for value in encoded:
        record = decode_trades_record(value)
        builder = CandleBuilder.restore(PRODUCT_ID, snapshot, window_ms=MINUTE_MS)
        if record.start is not None:
            builder.begin(record.start.timestamp_ms, previous_close=record.start.previous_close)
        folded = builder.add(record.batch, watermark_ms=record.watermark_ms)
        outputs += [encode_candle_record(candle) for candle in folded.candles]
        snapshot = builder.snapshot()
    return outputs


def _require_right_candles(given: _Input) -> None:
    found = [
        MinuteCandle(
            start_ms=candle.start_ms,
            open=candle.open,
            high=candle.high,
            low=candle.low,
            close=candle.close,
            volume=candle.volume,
            trade_count=candle.trade_count,
        )
        for candle in _fold(given.records)
    ]
    require_right(in_columns(found), minute_candles(given.trades), maker="CandleBuilder")


def _measure_rounds(inputs: Sequence[_Input], rounds: int, options: Options) -> _Speeds:
    speeds: _Speeds = defaultdict(list)
    for number in range(rounds):
        options.say(f"round {number + 1} of {rounds}")
        for given in inputs:
            for name, run in _work(given).items():
                start_seconds = time.perf_counter()
                run()
                seconds = time.perf_counter() - start_seconds
                speeds[given.name, name].append(len(given.trades) / seconds)
    return speeds


def _section(given: _Input, speeds: _Speeds) -> Section:
    figures: list[Figure] = []
    ceiling = speeds[given.name, _CEILING]
    for name in _work(given):
        values = speeds[given.name, name]
        figures.append(Figure(name=name, unit="trades/s", values=tuple(values)))
        if name != _CEILING:
            distance = ratios(ceiling, values)
            figures.append(Figure(name="  numpy is faster by", unit="x", values=distance))
    return Section(title=given.name, figures=tuple(figures))
