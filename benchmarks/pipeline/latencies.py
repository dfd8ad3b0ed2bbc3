"""From what was seen to how long it took: pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.pipeline.sightings import Key
from candlecast.errors import InvariantError
from candlecast.market.time_grid import floor_to_window
from candlecast.messaging.trades_record import TradesRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The measured time, in monotonic seconds: after the warm-up, before the end's loose ends."""

    start_seconds: float
    end_seconds: float

    def __contains__(self, moment_seconds: float) -> bool:
        return self.start_seconds <= moment_seconds < self.end_seconds


@dataclass(frozen=True, slots=True)
class SeenTrades:
    """A record of `trades`, and when it was readable."""

    record: TradesRecord
    readable_seconds: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Samples, and how many records were no sample."""

    milliseconds: tuple[float, ...]
    left_out: int = 0


def from_socket_to_trades(
    arrivals: Mapping[Key, float], trades: Iterable[SeenTrades], span: Span
) -> Latencies:
    """One sample a record: from the arrival of its first trade until it was readable.

    Records with trades that REST brought before WebSocket did are left out and counted.

    Raises:
        InvariantError: a trade arrived and never got to the topic.
    """
    samples: list[float] = []
    left_out = 0
    published: set[Key] = set()
    for seen in trades:
        product_id = seen.record.product_id
        keys = [(product_id, trade_id) for trade_id in seen.record.batch.trade_id.tolist()]
        published.update(keys)
        if not keys or seen.readable_seconds not in span:
            continue
        arrived_seconds = arrivals.get(keys[0])
        if arrived_seconds is None or arrived_seconds > seen.readable_seconds:
            left_out += 1
        else:
            samples.append((seen.readable_seconds - arrived_seconds) * 1000)
    lost = [key for key, moment in arrivals.items() if moment in span and key not in published]
    if lost:
        raise InvariantError(f"trades arrived and were not published: {lost[:5]} ...")
    return Latencies(tuple(samples), left_out)


def from_watermark_to_candle(
    trades: Iterable[SeenTrades],
    candles_seconds: Mapping[Key, float],
    *,
    window_ms: int,
    span: Span,
) -> Latencies:
    """One sample a record that closes windows: until the last of their candles was readable.

    Raises:
        InvariantError: such a candle never came.
    """
    watermarks_ms: dict[str, int] = {}
    samples: list[float] = []
    for seen in trades:
        product_id, watermark_ms = seen.record.product_id, seen.record.watermark_ms
        before_ms = watermarks_ms.get(product_id)
        watermarks_ms[product_id] = max(watermark_ms, before_ms or 0)
        closed_ms = floor_to_window(watermark_ms, window_ms)
        is_closing = before_ms is not None and closed_ms > floor_to_window(before_ms, window_ms)
        if not is_closing or seen.readable_seconds not in span:
            continue
        readable_seconds = candles_seconds.get((product_id, closed_ms))
        if readable_seconds is None:
            raise InvariantError(f"no candle of {product_id} at {closed_ms} although it is over")
        samples.append((readable_seconds - seen.readable_seconds) * 1000)
    return Latencies(tuple(samples))


def from_candle_to_store(
    candles_seconds: Mapping[Key, float], rows_seconds: Mapping[Key, float], span: Span
) -> Latencies:
    """One sample a candle: until its row was readable in the online store.

    Raises:
        InvariantError: a candle never got to the store.
    """
    samples: list[float] = []
    for key, candle_seconds in candles_seconds.items():
        if candle_seconds not in span:
            continue
        row_seconds = rows_seconds.get(key)
        if row_seconds is None:
            raise InvariantError(f"the candle of {key[0]} at {key[1]} is not in the store")
        samples.append((row_seconds - candle_seconds) * 1000)
    return Latencies(tuple(samples))
