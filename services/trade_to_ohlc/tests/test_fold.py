import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError, InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.candle_record import EndOfStream
from candlecast.messaging.headers import MARKET_DATA_SOURCE
from candlecast.messaging.trades_record import StreamStart, TradesRecord, encode_trades_record
from candlecast.testing.trades import columns_of, make_batch
from trade_to_ohlc.fold import TradeFold
from trade_to_ohlc.metrics import Metrics

M0 = 29_000_000 * MINUTE_MS
M1, M2, M3 = (M0 + number * MINUTE_MS for number in range(1, 4))
TICK = TradeBatch.empty("BTC/USD")


class Folding:
    """A fold with its metrics, and its state kept from record to record as the stream keeps it."""

    def __init__(self, *, window_ms: int = MINUTE_MS) -> None:
        self.registry = CollectorRegistry()
        self.fold = TradeFold(
            window_ms=window_ms, market_data_source="kraken", metrics=Metrics(self.registry)
        )
        self.snapshot: bytes | None = None
        self.late: TradeBatch | None = None

    def add(
        self,
        batch: TradeBatch,
        watermark_ms: int,
        *,
        start: StreamStart | None = None,
        end_of_stream: bool = False,
    ) -> list[Candle | EndOfStream]:
        record = TradesRecord(
            batch=batch,
            last_trade_id=0,
            last_timestamp_ms=0,
            watermark_ms=watermark_ms,
            start=start,
            end_of_stream=end_of_stream,
        )
        folded = self.fold.fold(record, self.snapshot)
        self.snapshot, self.late = folded.snapshot, folded.late
        return folded.outputs

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(
            f"candlecast_trade_to_ohlc_{name}", {"product_id": "BTC/USD"}
        )


def begun() -> Folding:
    folding = Folding()
    folding.add(TICK, M0, start=StreamStart(timestamp_ms=M0, previous_close=9.0))
    return folding


def closes(outputs: list[Candle | EndOfStream]) -> list[float]:
    return [output.close for output in outputs if isinstance(output, Candle)]


def test_a_record_is_read_with_its_headers() -> None:
    value = encode_trades_record(
        TradesRecord(batch=TICK, last_trade_id=5, last_timestamp_ms=M0, watermark_ms=M0)
    )
    fold = Folding().fold

    assert fold.decode(value, [(MARKET_DATA_SOURCE, b"kraken")]).last_trade_id == 5
    with pytest.raises(InvalidMessageError, match="comes from simulator"):
        fold.decode(value, [(MARKET_DATA_SOURCE, b"simulator")])
    with pytest.raises(InvalidMessageError, match="not JSON"):
        fold.decode(b"{", None)


def test_the_state_of_one_record_is_where_the_next_one_begins() -> None:
    folding = begun()

    assert closes(folding.add(make_batch((M0, 10.0)), M1 - 1)) == []
    assert closes(folding.add(TICK, M2)) == [10.0, 10.0]
    assert folding.metric("candles_out_total") == 2
    assert folding.metric("trades_in_total") == 1


def test_a_stream_that_says_where_it_starts_has_candles_from_there_on() -> None:
    assert closes(begun().add(make_batch((M1, 10.0)), M2)) == [9.0, 10.0]


def test_a_stream_that_starts_anew_gives_up_the_windows_in_between_and_counts_them() -> None:
    folding = begun()
    outputs = folding.add(TICK, M3, start=StreamStart(timestamp_ms=M2, previous_close=12.0))

    assert closes(outputs) == [12.0]
    assert folding.metric("abandoned_windows_total") == 2


def test_the_end_of_a_stream_comes_after_its_last_candle() -> None:
    outputs = begun().add(make_batch((M0, 10.0)), M1, end_of_stream=True)

    assert closes(outputs) == [10.0]
    assert outputs[-1] == EndOfStream("BTC/USD")


def test_late_trades_are_handed_back_and_counted_and_their_windows_named() -> None:
    folding = begun()
    folding.add(make_batch((M0, 10.0)), M2)
    late = make_batch((M1 + 5, 11.0), (M0, 12.0), (M1, 13.0), first_id=2)
    folding.add(late, M2)

    assert folding.late is not None
    assert columns_of(folding.late) == columns_of(late)
    assert folding.metric("late_trades_total") == 3
    assert folding.fold.late_reason(late) == (
        f"late trades of BTC/USD; windows to repair: [{M0}, {M1}]"
    )


def test_what_is_dropped_or_missing_is_counted() -> None:
    folding = Folding()
    folding.add(make_batch((M0 + 1, 10.0), (M0 + 2, 11.0)), M0)
    folding.add(make_batch((M0 + 2, 11.0), (M1, 12.0), ids=[2, 6]), M1)

    assert folding.metric("warm_up_trades_total") == 2
    assert folding.metric("duplicate_trades_total") == 1
    assert folding.metric("missing_trades_total") == 3
    assert folding.metric("trades_in_total") == 4


def test_the_watermark_that_is_shown_never_goes_back() -> None:
    folding = begun()
    folding.add(TICK, M2)
    folding.add(TICK, M1)

    assert folding.metric("watermark_seconds") == M2 / 1000


def test_windows_are_as_long_as_they_are_set() -> None:
    folding = Folding(window_ms=5_000)
    outputs = folding.add(
        make_batch((M0, 10.0)), M0 + 10_000, start=StreamStart(timestamp_ms=M0, previous_close=None)
    )

    assert [output.timestamp_ms for output in outputs if isinstance(output, Candle)] == [
        M0 + 5_000,
        M0 + 10_000,
    ]


def test_kept_state_of_other_windows_is_a_configuration_error() -> None:
    longer = Folding(window_ms=300_000)
    longer.snapshot = begun().snapshot

    with pytest.raises(ConfigurationError, match="use another consumer group"):
        longer.add(TICK, M1)
