"""How soon a trade, and the candle it belongs to, is where others can read it."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.options import Options
from benchmarks.pipeline.kafka_probe import KafkaProbe
from benchmarks.pipeline.latencies import (
    Latencies,
    SeenTrades,
    Span,
    from_candle_to_store,
    from_socket_to_trades,
    from_watermark_to_candle,
)
from benchmarks.pipeline.live_stack import LiveStack
from benchmarks.pipeline.sightings import Key
from benchmarks.pipeline.topic_watch import SeenRecord, TopicWatch
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import decode_candle_record
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.trades_record import decode_trades_record

_LOOK_SECONDS = 1.0
_LOOSE_ENDS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePlan:
    """One live run.

    Attributes:
        window_seconds: length of a candle.
        warm_up_seconds: after everything is ready, before anything counts.
        measured_seconds: what counts.
    """

    window_seconds: int
    warm_up_seconds: float
    measured_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFindings:
    """What was seen of one live run."""

    socket_to_trades: Latencies
    watermark_to_candle: Latencies
    candle_to_store: Latencies
    bare_kafka: Latencies
    resident_megabytes: Mapping[str, float]


def measure_live(
    plan: LivePlan, *, broker_address: str, directory: Path, options: Options
) -> LiveFindings:
    """Run the live pipeline, warm it up, watch it.

    Raises:
        InvariantError: a process ended, or something got lost on the way.
        TransientError: a process did not get ready.
    """
    config: ClientConfig = {"bootstrap.servers": broker_address}
    directory.mkdir()
    stack = LiveStack(
        window_seconds=plan.window_seconds, broker_address=broker_address, directory=directory
    )
    options.say(f"live, candles of {plan.window_seconds} s: starting")
    with (
        stack,
        TopicWatch(config, stack.trades_topic) as trades_watch,
        TopicWatch(config, stack.ohlc_topic) as candles_watch,
        KafkaProbe(config, f"probe_{plan.window_seconds}s") as probe,
    ):
        options.say(f"warming up for {plan.warm_up_seconds:.0f} s")
        _look_on(stack, plan.warm_up_seconds)
        options.say(f"watching for {plan.measured_seconds:.0f} s")
        span = _measured_span(stack, plan.measured_seconds)
        memory = dict(stack.resident_megabytes)
    trades = [
        SeenTrades(decode_trades_record(each.value), each.monotonic_seconds)
        for each in trades_watch.records
    ]
    candles_seconds = _first_candles(candles_watch.records)
    return LiveFindings(
        socket_to_trades=from_socket_to_trades(stack.arrivals(), trades, span),
        watermark_to_candle=from_watermark_to_candle(
            trades, candles_seconds, window_ms=plan.window_seconds * 1000, span=span
        ),
        candle_to_store=from_candle_to_store(candles_seconds, stack.rows(), span),
        bare_kafka=probe.latencies(span),
        resident_megabytes=memory,
    )


def _measured_span(stack: LiveStack, seconds: float) -> Span:
    """Let time pass without this process's garbage collector, then wait for what is on its way."""
    gc.collect()
    gc.disable()
    try:
        start_seconds = time.monotonic()
        _look_on(stack, seconds)
        span = Span(start_seconds=start_seconds, end_seconds=time.monotonic())
        _look_on(stack, _LOOSE_ENDS_SECONDS)
    finally:
        gc.enable()
    return span


def _look_on(stack: LiveStack, seconds: float) -> None:
    end_seconds = time.monotonic() + seconds
    while (rest_seconds := end_seconds - time.monotonic()) > 0:
        time.sleep(min(rest_seconds, _LOOK_SECONDS))
        stack.require_running()


def _first_candles(records: list[SeenRecord]) -> dict[Key, float]:
    """When each candle was first readable."""
    first_seen: dict[Key, float] = {}
    for each in records:
        candle = decode_candle_record(each.value)
        if isinstance(candle, Candle):
            key = (candle.product_id, candle.timestamp_ms)
            first_seen.setdefault(key, each.monotonic_seconds)
    return first_seen
