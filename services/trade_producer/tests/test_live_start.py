"""How a live stream begins, goes on after a restart, or refuses to; and how politely."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord
from kraken_simulator.testing import RunningSimulator, running_simulator
from trade_producer.testing.folding import FoldedStream, require_sound
from trade_producer.testing.live_run import live_run

RequireTruth = Callable[..., FoldedStream]

ANCHOR_MS = 1_790_000_025_000
MINUTE_MS = 60_000
PRODUCTS = ("BTC/USD", "DOGE/USD", "QNT/USD")


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(
        products=PRODUCTS, speed=600.0, clock_anchor_server_ms=ANCHOR_MS
    ) as running:
        yield running


async def test_a_cold_start_begins_with_the_running_minute_and_the_price_before_it(
    simulator: RunningSimulator,
) -> None:
    before_ms = simulator.server_ms
    async with live_run(simulator.rest_url, simulator.websocket_url, PRODUCTS) as run:
        await run.until(lambda: {r.product_id for r in run.sink.records} == set(PRODUCTS))

    for product_id in PRODUCTS:
        first = run.sink.of(product_id)[0]
        assert first.start is not None
        start_ms = first.start.timestamp_ms
        assert before_ms // MINUTE_MS * MINUTE_MS <= start_ms <= simulator.server_ms
        [minute_before] = simulator.truth(product_id, start_ms - MINUTE_MS, start_ms)
        assert first.start.previous_close == minute_before["close"]
        assert first.watermark_ms <= start_ms


async def test_a_restart_goes_on_after_what_was_published(
    simulator: RunningSimulator, require_truth: RequireTruth
) -> None:
    records: list[TradesRecord] = []
    end_ms = 0
    for minutes in (3, 3, 3):
        cursors = {record.product_id: record for record in records}
        end_ms = simulator.server_ms // MINUTE_MS * MINUTE_MS + minutes * MINUTE_MS
        async with live_run(
            simulator.rest_url, simulator.websocket_url, PRODUCTS, cursors=cursors
        ) as run:
            await run.until_watermark(end_ms)
        records += run.sink.records

    for product_id in PRODUCTS:
        published = [record for record in records if record.product_id == product_id]
        require_sound(published)
        assert [record.start is not None for record in published].count(True) == 1
        start = published[0].start
        assert start is not None
        require_truth(simulator, published, product_id, start_ms=start.timestamp_ms, end_ms=end_ms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_of_stream": True}, "topic trades holds a historical run of BTC/USD"),
        ({"watermark_ms": ANCHOR_MS + 10**9}, "but the exchange's clock says"),
    ],
    ids=["a historical run", "a later time"],
)
async def test_a_topic_that_cannot_be_gone_on_with_is_refused(
    simulator: RunningSimulator, change: dict[str, Any], message: str
) -> None:
    cursor = TradesRecord(
        **{
            "batch": TradeBatch.empty("BTC/USD"),
            "last_trade_id": 1,
            "last_timestamp_ms": ANCHOR_MS,
            "watermark_ms": ANCHOR_MS,
            **change,
        }
    )
    with pytest.raises(ConfigurationError, match=message):
        async with live_run(
            simulator.rest_url, simulator.websocket_url, ("BTC/USD",), cursors={"BTC/USD": cursor}
        ) as run:
            await run.until(lambda: False, seconds=10.0)


async def test_rest_is_never_asked_more_often_than_kraken_allows(
    require_truth: RequireTruth,
) -> None:
    products = ("BTC/USD", "QNT/USD")
    with running_simulator(
        products=products, speed=60.0, rest_calls_per_second=1.0, rest_calls_burst=2
    ) as simulator:
        simulator.set_faults(drop_message_probability=0.2)
        async with live_run(
            simulator.rest_url,
            simulator.websocket_url,
            products,
            kraken_rest_calls_per_second=1.0,
            hurry=1.0,
        ) as run:
            await run.until(lambda: {r.product_id for r in run.sink.records} == set(products))
            simulator.disconnect()
            end_ms = simulator.server_ms // MINUTE_MS * MINUTE_MS + 2 * MINUTE_MS
            await run.until_watermark(end_ms)

        answers = simulator.simulator.metrics.requests
        assert answers.labels("Trades", "ok")._value.get() > 2 * len(products)
        assert answers.labels("Trades", "EAPI:Rate limit exceeded")._value.get() == 0
        for product_id in products:
            records = run.sink.of(product_id)
            assert records[0].start is not None
            start_ms = records[0].start.timestamp_ms
            require_truth(simulator, records, product_id, start_ms=start_ms, end_ms=end_ms)
