"""How many trades a second go through trade_to_ohlc, and through library windows beside it.

Timed by the broker: from its stamp on the first candle to its stamp on the last. What a process
does before its first candle (start, imports, joining its group) and after its last is left out on
both sides; neither program has to be changed or to serve a clock.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from benchmarks.made_trades import (
    PRODUCT_ID,
    MinuteCandle,
    MinuteCandles,
    TradeShape,
    end_of_last_minute,
    historical_records,
    in_columns,
    make_trades,
    minute_candles,
    require_right,
)
from benchmarks.pipeline.topics import (
    StampedValue,
    create_input_topic,
    create_output_topic,
    fill,
    read_all,
)
from benchmarks.processor_clock import ProcessorClock
from benchmarks.service_process import LOOPBACK, ServiceProcess
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.topics import delete_topics
from candlecast.messaging.trades_record import encode_trades_record

_PATIENCE_SECONDS = 300.0
_CONNECTING_MS = 50
_PROCESSOR_TICK_SECONDS = 0.01
_END_OF_STREAM = b'"end_of_stream":true'
_decoder = msgspec.json.Decoder(MinuteCandle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program on one input.

    Attributes:
        shape: of the market.
        trades_per_record: None: single trades, for the library's windows.
        trade_count: size of the input in a real run.
    """

    shape: TradeShape
    trades_per_record: int | None
    trade_count: int

    @property
    def is_comparison(self) -> bool:
        """Whether this is what trade_to_ohlc is compared with."""
        return self.trades_per_record is None

    @property
    def name(self) -> str:
        """For people."""
        if self.trades_per_record is None:
            return f"{self.shape.name}: Quix Streams window, 1 a record"
        return f"{self.shape.name}: trade_to_ohlc, {self.trades_per_record:,} a record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the broker's stamps say of one run.

    Attributes:
        start_ms, end_ms: the stamps on the first candle and on the last output.
        trade_count: trades of the candles in between.
    """

    start_ms: int
    end_ms: int
    trade_count: int

    @property
    def seconds(self) -> float:
        """How long it took; at least the clock's resolution."""
        return max(self.end_ms - self.start_ms, 1) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one run was.

    Attributes:
        trades_per_second: by the clock on the wall.
        trades_per_processor_second: by the processor time of all threads of the process.
    """

    trades_per_second: float
    trades_per_processor_second: float


class CaseRunner:
    """Fills a case's input once, then runs its program on it as often as wanted."""

    def __init__(
        self, case: Case, *, trade_count: int, broker_address: str, directory: Path
    ) -> None:
        self.case = case
        self._broker_address = broker_address
        self._directory = directory
        self._config: ClientConfig = {"bootstrap.servers": broker_address}
        self._input_topic = f"trades_{uuid.uuid4().hex[:8]}"
        trades = make_trades(case.shape, trade_count)
        self._truth = minute_candles(trades)
        create_input_topic(self._config, self._input_topic)
        fill(self._config, self._input_topic, PRODUCT_ID, _records(case, trades))

    def run(self) -> Speed:
        """Run the program in a new process with new state.

        Raises:
            InvariantError: it failed, or its candles are not right.
        """
        output_topic = f"ohlc_{uuid.uuid4().hex[:8]}"
        create_output_topic(self._config, output_topic)
        with (
            self._program(output_topic) as process,
            ProcessorClock(process.process_id) as processor_clock,
        ):
            process.wait_until_done(_PATIENCE_SECONDS)
        outputs = read_all(self._config, output_topic)
        delete_topics(self._config, [output_topic])
        candles = [each for each in outputs if _END_OF_STREAM not in each.value]
        found = in_columns([_decoder.decode(each.value) for each in candles])
        require_right(found, self._truth, maker=self.case.name)
        timing = timing_of(candles, outputs[-1], self._truth)
        processor_seconds = processor_clock.used_seconds(timing.start_ms, timing.end_ms)
        return Speed(
            trades_per_second=timing.trade_count / timing.seconds,
            trades_per_processor_second=timing.trade_count
            / max(processor_seconds, _PROCESSOR_TICK_SECONDS),
        )

    def _program(self, output_topic: str) -> ServiceProcess:
        state_directory = self._directory / "state" / output_topic
        if self.case.trades_per_record is None:
            return ServiceProcess(
                "benchmarks.pipeline.quix_windows",
                {},
                directory=self._directory,
                arguments=[
                    self._broker_address,
                    self._input_topic,
                    output_topic,
                    str(state_directory),
                    str(len(self._truth)),
                ],
            )
        return ServiceProcess(
            "trade_to_ohlc",
            {
                "KAFKA_BROKER_ADDRESS": self._broker_address,
                "KAFKA_INPUT_TOPIC": self._input_topic,
                "KAFKA_OUTPUT_TOPIC": output_topic,
                "KAFKA_CONSUMER_GROUP": output_topic,
                "LIVE_OR_HISTORICAL": "historical",
                "PRODUCT_IDS": PRODUCT_ID,
                "MARKET_DATA_SOURCE": "simulator",
                "STATE_DIR": str(state_directory),
                "METRICS_PORT": "0",
                "MONITORING_HOST": LOOPBACK,
            },
            directory=self._directory,
        )


def _records(case: Case, trades: TradeBatch) -> Iterator[tuple[int, bytes]]:
    if case.trades_per_record is None:
        yield from _single_trades(trades)
        return
    for record in historical_records(trades, case.trades_per_record):
        yield record.last_timestamp_ms, encode_trades_record(record)


def _single_trades(trades: TradeBatch) -> Iterator[tuple[int, bytes]]:
    """One trade a record; at the end one more, because only a later trade closes a window."""
    columns = (trades.timestamp_ms, trades.price, trades.quantity)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    end_ms = end_of_last_minute(trades)
    for timestamp_ms, price, quantity in [*rows, (end_ms, rows[-1][1], 0.0)]:
        trade = {
            "product_id": PRODUCT_ID,
            "price": price,
            "quantity": quantity,
            "timestamp_ms": timestamp_ms,
        }
        yield timestamp_ms, orjson.dumps(trade)


def timing_of(
    candles: Sequence[StampedValue], last_output: StampedValue, truth: MinuteCandles
) -> Timing:
    """Read the time and the trades of one run off the broker's stamps.

    Candles stamped right after the first may have waited with it for the connection: their time
    counts and their trades do not, so the speed is rather understated.
    """
    start_ms = candles[0].appended_ms
    uncounted = sum(each.appended_ms <= start_ms + _CONNECTING_MS for each in candles)
    return Timing(
        start_ms=start_ms,
        end_ms=last_output.appended_ms,
        trade_count=int(truth.trade_count[uncounted:].sum()),
    )
