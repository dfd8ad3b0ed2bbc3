"""The live producer against the simulator: one fault after the other, and the true candles."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kraken_simulator.testing import RunningSimulator, running_simulator
from trade_producer.testing.folding import FoldedStream, require_sound, trades_of
from trade_producer.testing.live_run import LiveRun, live_run

RequireTruth = Callable[..., FoldedStream]

ANCHOR_MS = 1_790_000_025_000
MINUTE_MS = 60_000
SPEED = 600.0
PRODUCTS = ("BTC/USD", "DOGE/USD", "QNT/USD")

FAULTS: dict[str, dict[str, Any]] = {
    "healthy": {},
    "dropped messages": {"drop_message_probability": 0.3},
    "all messages dropped": {"drop_message_probability": 1.0},
    "duplicated messages": {"duplicate_message_probability": 0.5},
    "duplicated rows": {"page_edge_duplicates": 7, "drop_message_probability": 0.1},
    "broken answers": {
        "http_429_probability": 0.07,
        "http_5xx_probability": 0.07,
        "html_probability": 0.07,
        "rate_limit_probability": 0.07,
        "drop_message_probability": 0.1,
    },
    "slow answers": {
        "slow_probability": 0.5,
        "slow_seconds": 0.3,
        "drop_message_probability": 0.2,
    },
    "rest lags within the grace": {"rest_lag_ms": 1_900, "drop_message_probability": 0.2},
    "rest lags far behind": {"rest_lag_ms": 90_000},
}

EVERYTHING = {
    "disconnect_every_seconds": 1.5,
    "drop_message_probability": 0.1,
    "duplicate_message_probability": 0.1,
    "silence_every_seconds": 2.0,
    "silence_seconds": 0.6,
    "http_429_probability": 0.03,
    "http_5xx_probability": 0.03,
    "html_probability": 0.03,
    "rate_limit_probability": 0.03,
    "slow_probability": 0.1,
    "slow_seconds": 0.2,
    "page_edge_duplicates": 5,
    "rest_lag_ms": 1_500,
}


@pytest.fixture(scope="module")
def long_running_simulator() -> Iterator[RunningSimulator]:
    with running_simulator(
        products=PRODUCTS, speed=SPEED, clock_anchor_server_ms=ANCHOR_MS
    ) as running:
        yield running


@pytest.fixture
def simulator(long_running_simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """The simulator, healthy again after each test."""
    yield long_running_simulator
    long_running_simulator.set_faults(missing_trade_ids={}, **dict.fromkeys(EVERYTHING, 0))


async def until_minutes_later(run: LiveRun, simulator: RunningSimulator, minutes: int) -> int:
    """Wait until everything is published up to a moment so much later; return it."""
    await run.until(lambda: {r.product_id for r in run.sink.records} == set(PRODUCTS))
    end_ms = simulator.server_ms // MINUTE_MS * MINUTE_MS + minutes * MINUTE_MS
    await run.until_watermark(end_ms)
    return end_ms


def require_complete(
    run: LiveRun, simulator: RunningSimulator, require_truth: RequireTruth, end_ms: int
) -> None:
    for product_id in run.product_ids:
        records = run.sink.of(product_id)
        require_sound(records)
        start = records[0].start
        assert start is not None
        stream = require_truth(
            simulator, records, product_id, start_ms=start.timestamp_ms, end_ms=end_ms
        )
        assert (stream.missing_count, stream.duplicate_count) == (0, 0)
        assert run.counted("late_trades_total", product_id) == 0
        assert run.counted("missing_trades_total", product_id) == 0


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
async def test_every_candle_is_true_whatever_goes_wrong(
    simulator: RunningSimulator, require_truth: RequireTruth, faults: dict[str, Any]
) -> None:
    simulator.set_faults(**faults)

    async with live_run(simulator.rest_url, simulator.websocket_url, PRODUCTS) as run:
        end_ms = await until_minutes_later(run, simulator, 8)

    require_complete(run, simulator, require_truth, end_ms)


async def test_a_healthy_run_becomes_ready_and_fills_its_only_gap_at_the_start(
    simulator: RunningSimulator,
) -> None:
    async with live_run(simulator.rest_url, simulator.websocket_url, ("BTC/USD",)) as run:
        assert not run.readiness.is_ready
        await run.until(lambda: run.readiness.is_ready)
        await run.until(lambda: len(run.sink.records) > 100)

    # The snapshot is ahead of the running minute's first trades; after that ids never jump.
    assert run.counted("gaps_found_total", "BTC/USD") <= 1
    assert run.counted("gaps_found_total", "BTC/USD") == run.counted("gaps_filled_total", "BTC/USD")


async def test_trades_missing_for_good_are_counted_and_all_others_published(
    simulator: RunningSimulator,
) -> None:
    async with live_run(simulator.rest_url, simulator.websocket_url, ("BTC/USD",)) as run:
        await run.until(lambda: len(trades_of(run.sink.records, "BTC/USD")) > 0)
        next_id = int(trades_of(run.sink.records, "BTC/USD").trade_id[-1]) + 1
        # At this speed a thousand trades take a second: these have not happened yet.
        lost_ids = [next_id + 1_000, next_id + 1_001]
        simulator.set_faults(missing_trade_ids={"BTC/USD": lost_ids})
        await run.until(lambda: run.counted("missing_trades_total", "BTC/USD") == len(lost_ids))
        await run.until(lambda: run.readiness.is_ready)

    require_sound(run.sink.records, lost_ids=lost_ids)
    published = set(trades_of(run.sink.records, "BTC/USD").trade_id.tolist())
    assert published.isdisjoint(lost_ids)
    assert max(published) > lost_ids[-1]


async def test_lost_connections_lose_nothing(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    async with live_run(simulator.rest_url, simulator.websocket_url, PRODUCTS) as run:
        for connections in (1, 2, 3):
            await run.until_connected(connections)
            simulator.disconnect()
        end_ms = await until_minutes_later(run, simulator, 4)

    assert run.total("websocket_disconnections_total", reason="lost") == 3
    require_complete(run, simulator, require_truth, end_ms)


async def test_a_socket_that_falls_silent_is_replaced_and_nothing_lost(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    async with live_run(
        simulator.rest_url, simulator.websocket_url, PRODUCTS, websocket_silence_seconds=0.3
    ) as run:
        await run.until_connected(1)
        simulator.silence(30.0)
        await run.until_connected(2)
        end_ms = await until_minutes_later(run, simulator, 4)

    require_complete(run, simulator, require_truth, end_ms)


async def test_all_faults_together_for_a_while_leave_no_trace_in_the_candles(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    simulator.set_faults(**EVERYTHING)
    async with live_run(
        simulator.rest_url,
        simulator.websocket_url,
        PRODUCTS,
        hurry=100.0,
        websocket_silence_seconds=0.4,
    ) as run:
        await until_minutes_later(run, simulator, 40)
        simulator.set_faults(**dict.fromkeys(EVERYTHING, 0))
        end_ms = await until_minutes_later(run, simulator, 4)

    assert run.total("websocket_disconnections_total", reason="lost") >= 2
    assert run.counted("gaps_filled_total", "BTC/USD") >= 2
    require_complete(run, simulator, require_truth, end_ms)
