"""Benchmark `pipeline`: throughput, then live latencies and memory, on one embedded Kafka."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Figure, Report, Section, Statistic, Target, ratios
from benchmarks.made_trades import BTC_LIKE, BUSY
from benchmarks.options import Options
from benchmarks.pipeline.latencies import Latencies
from benchmarks.pipeline.live import LiveFindings, LivePlan, measure_live
from benchmarks.pipeline.throughput import Case, CaseRunner, Speed
from benchmarks.results import quantity
from candlecast.embedded_broker import EmbeddedBroker

_ROUNDS, _QUICK_ROUNDS = 5, 1
_QUICK_DIVISOR = 20
_CASES = tuple(
    case
    for shape in (BUSY, BTC_LIKE)
    for case in (
        Case(shape=shape, trades_per_record=1_000, trade_count=8_000_000),
        Case(shape=shape, trades_per_record=100, trade_count=2_000_000),
        Case(shape=shape, trades_per_record=None, trade_count=150_000),
    )
)
_PROMISED_TRADES_PER_RECORD = 1_000
_MINUTE_PLAN = LivePlan(window_seconds=60, warm_up_seconds=20, measured_seconds=330)
_SECOND_PLAN = LivePlan(window_seconds=1, warm_up_seconds=20, measured_seconds=150)
_QUICK_SECONDS = 8.0
_FEWEST_SAMPLES = 300

_THROUGHPUT = Target(limit=2e6, is_minimum=True, statistic=Statistic.MEDIAN)
_RATIO = Target(limit=40, is_minimum=True, statistic=Statistic.MEDIAN)
_MEMORY = Target(limit=200, is_minimum=False, statistic=Statistic.HIGHEST)

_Speeds = Mapping[Case, Sequence[Speed]]
"""One speed a round."""


def measure(options: Options) -> Report:
    """Measure everything in one run, on one broker."""
    with tempfile.TemporaryDirectory(prefix="candlecast_benchmark_") as name:
        directory = Path(name)
        options.say("starting Apache Kafka")
        with EmbeddedBroker(directory / "broker") as broker:
            speeds = _measure_throughput(broker.address, directory, options)
            minutes, seconds = (
                measure_live(
                    _quick(plan) if options.is_quick else plan,
                    broker_address=broker.address,
                    directory=directory / f"live_{plan.window_seconds}s",
                    options=options,
                )
                for plan in (_MINUTE_PLAN, _SECOND_PLAN)
            )
    return Report(
        benchmark="pipeline",
        sections=(
            *_throughput_sections(speeds),
            *_latency_sections(minutes, seconds),
            _memory_section(minutes, seconds),
        ),
    )


def _quick(plan: LivePlan) -> LivePlan:
    return LivePlan(
        window_seconds=plan.window_seconds,
        warm_up_seconds=_QUICK_SECONDS,
        measured_seconds=_QUICK_SECONDS + plan.window_seconds,
    )


def _measure_throughput(broker_address: str, directory: Path, options: Options) -> _Speeds:
    """Measure every case once a round, one after the other."""
    divisor = _QUICK_DIVISOR if options.is_quick else 1
    options.say("filling topics")
    runners = {
        case: CaseRunner(
            case,
            trade_count=case.trade_count // divisor,
            broker_address=broker_address,
            directory=directory,
        )
        for case in _CASES
    }
    speeds: dict[Case, list[Speed]] = defaultdict(list)
    rounds = _QUICK_ROUNDS if options.is_quick else _ROUNDS
    for number in range(1, rounds + 1):
        for case, runner in runners.items():
            speed = runner.run()
            options.say(
                f"round {number} of {rounds}: {case.name}: "
                f"{quantity(speed.trades_per_second)} trades/s"
            )
            speeds[case].append(speed)
    return speeds


def _throughput_sections(speeds: _Speeds) -> tuple[Section, Section]:
    return (
        Section(
            title="Throughput of one process",
            figures=_throughput_figures(speeds, lambda speed: speed.trades_per_second),
            remarks=("Every run's candles were compared with numpy's, minute by minute.",),
        ),
        Section(
            title="The same per second of processor time, all threads of the process",
            figures=tuple(
                replace(figure, target=None)
                for figure in _throughput_figures(
                    speeds, lambda speed: speed.trades_per_processor_second
                )
            ),
            remarks=("Other work on the machine disturbs these less; no targets.",),
        ),
    )


def _throughput_figures(speeds: _Speeds, measured: Callable[[Speed], float]) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    values = {case: tuple(measured(speed) for speed in each) for case, each in speeds.items()}
    windows = {case.shape: each for case, each in values.items() if case.is_comparison}
    for case, each in values.items():
        is_promised = case.trades_per_record == _PROMISED_TRADES_PER_RECORD
        figures.append(
            Figure(
                name=case.name,
                unit="trades/s",
                values=each,
                target=_THROUGHPUT if is_promised else None,
            )
        )
        if not case.is_comparison:
            figures.append(
                Figure(
                    name="  against the window of the same round",
                    unit="x",
                    values=ratios(each, windows[case.shape]),
                    target=_RATIO if is_promised else None,
                )
            )
    return tuple(figures)


def _latency_sections(minutes: LiveFindings, seconds: LiveFindings) -> tuple[Section, Section]:
    left_out = minutes.socket_to_trades.left_out
    return (
        Section(
            title="Live latency, candles of a minute (four simulated products at SPEED=1)",
            figures=(
                _latency("trade at producer's socket → on trades", minutes.socket_to_trades, 10),
                _bare_kafka(minutes),
            ),
            remarks=(f"Left out: {left_out} records that REST brought before WebSocket did.",),
        ),
        Section(
            title="Live latency, candles of a second, for as many samples a minute",
            figures=(
                _latency("watermark on trades → candle on ohlc", seconds.watermark_to_candle, 50),
                _latency("candle on ohlc → row in online store", seconds.candle_to_store, 1_000),
                _bare_kafka(seconds),
            ),
        ),
    )


def _latency(name: str, latencies: Latencies, limit_ms: float) -> Figure:
    target = Target(
        limit=limit_ms,
        is_minimum=False,
        statistic=Statistic.P99,
        fewest_values=_FEWEST_SAMPLES,
    )
    return Figure(name=name, unit="ms", values=latencies.milliseconds, target=target)


def _bare_kafka(findings: LiveFindings) -> Figure:
    return Figure(
        name="at the same time: bare clients, sent → readable",
        unit="ms",
        values=findings.bare_kafka.milliseconds,
    )


def _memory_section(minutes: LiveFindings, seconds: LiveFindings) -> Section:
    return Section(
        title="Memory of each live service at the end",
        figures=tuple(
            Figure(
                name=f"{name}: resident",
                unit="MB",
                values=(megabytes, seconds.resident_megabytes[name]),
                target=_MEMORY,
            )
            for name, megabytes in minutes.resident_megabytes.items()
        ),
        remarks=("Two values: of the run with candles of a minute, and of a second.",),
    )
