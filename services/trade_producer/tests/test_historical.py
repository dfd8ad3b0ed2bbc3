"""A range of history against the simulator: every trade of it, none beside it, and an end."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.settings import load_settings
from kraken_simulator.testing import RunningSimulator, running_simulator
from trade_producer.historical import HistoricalProducer
from trade_producer.metrics import Metrics
from trade_producer.settings import Settings
from trade_producer.testing.folding import FoldedStream, require_sound, trades_of
from trade_producer.testing.in_memory import InMemorySink

RequireTruth = Callable[..., FoldedStream]

ANCHOR_MS = 1_790_000_025_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
END_MS = (ANCHOR_MS // HOUR_MS - 1) * HOUR_MS
START_MS = END_MS - 2 * HOUR_MS
RANGE: dict[str, Any] = {"historical_start_ms": START_MS, "historical_end_ms": END_MS}
PRODUCTS = ("BTC/USD", "DOGE/USD", "QNT/USD")


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=PRODUCTS, clock_anchor_server_ms=ANCHOR_MS) as running:
        yield running


class Backfill:
    """One historical run into a topic in memory, which may hold the records of an earlier one."""

    def __init__(self, simulator: RunningSimulator, sink: InMemorySink | None = None) -> None:
        self.simulator = simulator
        self.sink = InMemorySink() if sink is None else sink
        self.registry = CollectorRegistry()

    async def run(self, products: Sequence[str] = PRODUCTS, **settings: Any) -> list[TradesRecord]:
        cursors: Mapping[str, TradesRecord] = {r.product_id: r for r in self.sink.records}
        loaded = load_settings(
            Settings,
            _env_file=None,
            kafka_broker_address="nowhere",
            kafka_topic="trades_historical",
            product_ids=products,
            live_or_historical="historical",
            **settings,
        )
        async with KrakenRestClient(
            self.simulator.rest_url,
            calls_per_second=1_000.0,
            give_up_after_seconds=0.5,
            sleep=lambda seconds: asyncio.sleep(seconds / 100),
        ) as client:
            catalogue = await client.product_catalogue()
            producer = HistoricalProducer(
                loaded, client=client, sink=self.sink, metrics=Metrics(self.registry)
            )
            await producer.run([catalogue.product(name) for name in products], cursors)
        return self.sink.records

    def counted(self, name: str, product_id: str) -> float:
        name = f"candlecast_trade_producer_{name}"
        return self.registry.get_sample_value(name, {"product_id": product_id}) or 0.0


async def test_every_candle_of_the_range_is_true_and_the_stream_ends(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    backfill = Backfill(simulator)
    await backfill.run(**RANGE)

    for product_id in PRODUCTS:
        records = backfill.sink.of(product_id)
        require_sound(records)
        stream = require_truth(simulator, records, product_id, start_ms=START_MS, end_ms=END_MS)
        assert [c.timestamp_ms for c in stream.candles][-1] == END_MS
        assert (stream.missing_count, stream.duplicate_count) == (0, 0)
        assert [record.end_of_stream for record in records] == [False] * (len(records) - 1) + [True]
        assert records[-1].watermark_ms == END_MS
        assert backfill.counted("backfill_progress_ratio", product_id) == 1.0


async def test_nothing_is_published_and_little_is_read_beyond_the_end(
    simulator: RunningSimulator,
) -> None:
    backfill = Backfill(simulator)
    # A day between the range and now: reading on to now would take a hundred calls.
    end_ms = END_MS - 24 * HOUR_MS
    await backfill.run(("BTC/USD",), historical_start_ms=end_ms - HOUR_MS, historical_end_ms=end_ms)

    trades = trades_of(backfill.sink.records, "BTC/USD")
    assert end_ms - HOUR_MS <= trades.timestamp_ms.min()
    assert trades.timestamp_ms.max() < end_ms
    answers = simulator.simulator.metrics.requests.labels("Trades", "ok")
    assert answers._value.get() <= len(trades) / 1000 + 5


async def test_records_hold_a_page_of_trades_each(simulator: RunningSimulator) -> None:
    records = await Backfill(simulator).run(("BTC/USD",), **RANGE)

    [_start, *pages, last_page, _end] = [len(record.batch) for record in records]
    assert min(pages) > 900
    assert max(*pages, last_page) <= 1000


async def test_the_last_days_end_with_the_last_whole_minute_that_is_settled(
    simulator: RunningSimulator,
) -> None:
    records = await Backfill(simulator).run(("QNT/USD",), last_n_days=0.5)

    first, last = records[0], records[-1]
    assert first.start is not None
    assert last.watermark_ms == ANCHOR_MS // MINUTE_MS * MINUTE_MS
    assert last.watermark_ms - first.start.timestamp_ms == 12 * HOUR_MS


async def test_a_range_never_reaches_into_trades_still_on_their_way(
    simulator: RunningSimulator,
) -> None:
    records = await Backfill(simulator).run(
        ("QNT/USD",),
        historical_start_ms=START_MS,
        historical_end_ms=ANCHOR_MS + HOUR_MS,
        watermark_grace_seconds=50,  # the anchor is 45 seconds into its minute
    )

    assert records[-1].watermark_ms == ANCHOR_MS // MINUTE_MS * MINUTE_MS - MINUTE_MS


async def test_a_range_without_a_whole_minute_before_now_is_refused(
    simulator: RunningSimulator,
) -> None:
    with pytest.raises(ConfigurationError, match="is empty: LAST_N_DAYS"):
        await Backfill(simulator).run(
            ("QNT/USD",), historical_start_ms=ANCHOR_MS, historical_end_ms=ANCHOR_MS + HOUR_MS
        )


async def test_a_killed_run_goes_on_after_what_was_published(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    sink = InMemorySink()
    for record_count in (1, 8, 20):
        run = asyncio.create_task(Backfill(simulator, sink).run(**RANGE))
        async with asyncio.timeout(20):
            await sink.until_count(record_count)
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
    await Backfill(simulator, sink).run(**RANGE)

    for product_id in PRODUCTS:
        require_sound(sink.of(product_id))
        assert [r.start is not None for r in sink.of(product_id)].count(True) == 1
        require_truth(simulator, sink.of(product_id), product_id, start_ms=START_MS, end_ms=END_MS)


async def test_a_run_that_is_complete_publishes_and_asks_nothing_more(
    simulator: RunningSimulator,
) -> None:
    sink = InMemorySink()
    await Backfill(simulator, sink).run(**RANGE)
    published = len(sink.records)
    answers = simulator.simulator.metrics.requests.labels("Trades", "ok")
    asked = answers._value.get()

    again = Backfill(simulator, sink)
    await again.run(**RANGE)

    assert (len(sink.records), answers._value.get()) == (published, asked)
    assert again.counted("backfill_progress_ratio", "BTC/USD") == 1.0


async def test_trades_missing_for_good_are_counted_and_all_others_published(
    simulator: RunningSimulator,
) -> None:
    whole = trades_of(await Backfill(simulator).run(("BTC/USD",), **RANGE), "BTC/USD")
    lost_ids = [int(whole.trade_id[row]) for row in (3, 4, 700)]
    simulator.set_faults(missing_trade_ids={"BTC/USD": lost_ids})

    backfill = Backfill(simulator)
    await backfill.run(("BTC/USD",), **RANGE)

    require_sound(backfill.sink.records, lost_ids=lost_ids)
    published = trades_of(backfill.sink.records, "BTC/USD").trade_id.tolist()
    assert published == [i for i in whole.trade_id.tolist() if i not in lost_ids]
    assert backfill.counted("missing_trades_total", "BTC/USD") == 3
    assert backfill.counted("gaps_found_total", "BTC/USD") >= 1
    assert backfill.counted("gaps_filled_total", "BTC/USD") == 0


async def test_broken_answers_only_take_time(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    simulator.set_faults(http_5xx_probability=0.1, html_probability=0.1, page_edge_duplicates=9)
    backfill = Backfill(simulator)
    await backfill.run(("BTC/USD",), **RANGE)

    require_truth(simulator, backfill.sink.records, "BTC/USD", start_ms=START_MS, end_ms=END_MS)
