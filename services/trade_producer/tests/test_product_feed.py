"""One product's feed, with races made on purpose: an exchange in memory, a clock that jumps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError
from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.trades import make_batch
from trade_producer.metrics import Metrics
from trade_producer.product_feed import ProductFeed, ProofTiming
from trade_producer.sequencer import TradeSequencer
from trade_producer.testing.folding import require_sound, trades_of
from trade_producer.testing.in_memory import InMemoryExchange, InMemorySink, make_product
from trade_producer.testing.virtual_time import run_in_virtual_time

BTC = "BTC/USD"
START_MS = 1_790_000_040_000  # the start of a minute
MINUTE_MS = 60_000
GRACE_MS = 2_000
PREFIX = "candlecast_trade_producer"


class Market:
    """A feed that runs, the exchange behind it, and the records it made."""

    def __init__(self, *, last_trade_id: int = 10) -> None:
        self.exchange = InMemoryExchange()
        self.sink = InMemorySink()
        self.registry = CollectorRegistry()
        if last_trade_id > 0:
            self.happen(last_trade_id, START_MS)
        self.feed = ProductFeed(
            make_product(),
            client=self.exchange,
            sink=self.sink,
            timing=ProofTiming(watermark_grace_ms=GRACE_MS, completeness_check_ms=MINUTE_MS),
            metrics=Metrics(self.registry),
            sequencer=TradeSequencer(
                BTC,
                last_trade_id=last_trade_id,
                last_timestamp_ms=START_MS,
                watermark_ms=START_MS,
            ),
        )

    def happen(self, trade_id: int, timestamp_ms: int) -> TradeBatch:
        return self.exchange.happen(make_batch((timestamp_ms, float(trade_id)), first_id=trade_id))

    def deliver(self, *batches: TradeBatch) -> None:
        for batch in batches:
            self.feed.on_trades(batch, 0.0)

    def counted(self, name: str) -> float:
        return self.registry.get_sample_value(f"{PREFIX}_{name}", {"product_id": BTC}) or 0.0

    @property
    def published_ids(self) -> list[int]:
        return [int(number) for number in trades_of(self.sink.records, BTC).trade_id]

    @property
    def watermark_ms(self) -> int:
        return self.sink.watermark_ms(BTC)


@asynccontextmanager
async def running(market: Market) -> AsyncIterator[None]:
    """Run the feed; its first look at REST is over when the block begins."""
    task = asyncio.create_task(market.feed.run())
    await seconds(0.01)
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    require_sound(market.sink.records, lost_ids=market.exchange.hidden_ids)


async def seconds(count: float) -> None:
    """Virtual ones."""
    await asyncio.sleep(count)


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine whose sleeping takes no time."""

    async def main() -> None:
        await test()

    def run() -> None:
        run_in_virtual_time(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_virtual_time
async def test_a_start_reads_rest_without_waiting_for_a_connection() -> None:
    market = Market()
    market.happen(11, START_MS + 1)
    assert not market.feed.is_caught_up

    async with running(market):
        assert market.published_ids == [11]
        assert market.feed.is_caught_up


@in_virtual_time
async def test_trades_of_the_socket_go_at_once_and_need_no_rest() -> None:
    market = Market()
    async with running(market):
        calls = market.exchange.call_count
        market.deliver(market.happen(11, START_MS + 100), market.happen(12, START_MS + 200))

        assert market.published_ids == [11, 12]
        assert market.watermark_ms == START_MS + 200
        await seconds(5)
        assert market.exchange.call_count == calls


@in_virtual_time
async def test_a_lost_message_is_fetched_before_anything_later_goes() -> None:
    market = Market()
    async with running(market):
        market.happen(11, START_MS + 100)
        market.deliver(market.happen(12, START_MS + 200))

        assert market.published_ids == []
        assert not market.feed.is_caught_up
        await seconds(0.1)
        assert market.published_ids == [11, 12]
        assert market.feed.is_caught_up
        assert market.counted("gaps_found_total") == market.counted("gaps_filled_total") == 1
        assert market.counted("missing_trades_total") == 0


@in_virtual_time
async def test_a_lost_message_of_a_quiet_product_cannot_let_its_minute_close() -> None:
    market = Market()
    async with running(market):
        market.happen(11, START_MS + 1_000)  # and WebSocket says nothing
        market.feed.on_exchange_time(START_MS + MINUTE_MS + GRACE_MS - 1)
        await seconds(5)
        assert (market.published_ids, market.watermark_ms) == ([], START_MS)

        market.feed.on_exchange_time(START_MS + MINUTE_MS + GRACE_MS)
        assert market.watermark_ms == START_MS
        await seconds(0.1)
        assert (market.published_ids, market.watermark_ms) == ([11], START_MS + MINUTE_MS)


@in_virtual_time
async def test_a_quiet_product_costs_one_call_per_moment_of_the_grid() -> None:
    market = Market()
    async with running(market):
        calls = market.exchange.call_count
        for second in range(5 * 60):
            market.feed.on_exchange_time(START_MS + second * 1000)
            await seconds(1)

        assert market.exchange.call_count - calls == 4
        # A record a second: where a proof moved the watermark it came early, and was the tick.
        assert len(market.sink.records) == 5 * 60


@in_virtual_time
async def test_a_slow_proof_is_worth_what_the_clock_said_before_it_was_asked_for() -> None:
    market = Market()

    async def time_passes() -> None:
        market.happen(11, START_MS + MINUTE_MS + 500)  # after the answer, lost by WebSocket
        market.feed.on_exchange_time(START_MS + 2 * MINUTE_MS)
        await seconds(3)

    async with running(market):
        market.exchange.after_answer = time_passes
        market.feed.on_exchange_time(START_MS + MINUTE_MS + GRACE_MS)
        await seconds(5)

        assert (market.published_ids, market.watermark_ms) == ([], START_MS + MINUTE_MS)


@in_virtual_time
async def test_rest_that_does_not_show_the_last_trade_yet_proves_nothing() -> None:
    market = Market()
    async with running(market):
        market.deliver(market.happen(11, START_MS + 1_000))
        market.happen(12, START_MS + 2_000)  # lost by WebSocket, not shown by REST
        market.exchange.shown_until_ms = START_MS + 500

        market.feed.on_exchange_time(START_MS + MINUTE_MS + GRACE_MS)
        await seconds(30)
        assert (market.published_ids, market.watermark_ms) == ([11], START_MS + 1_000)

        market.exchange.shown_until_ms = None
        await seconds(30)
        assert (market.published_ids, market.watermark_ms) == ([11, 12], START_MS + MINUTE_MS)


@in_virtual_time
async def test_a_busy_product_is_not_held_up_by_rest_that_lags() -> None:
    market = Market()
    async with running(market):
        market.exchange.shown_until_ms = START_MS
        calls = market.exchange.call_count
        for number in range(11, 11 + 120):
            moment_ms = START_MS + (number - 10) * 1000
            market.deliver(market.happen(number, moment_ms))
            market.feed.on_exchange_time(moment_ms)
            await seconds(1)

        assert market.published_ids == list(range(11, 131))
        assert market.watermark_ms == START_MS + 120_000
        assert market.exchange.call_count == calls


@in_virtual_time
async def test_a_gap_waits_for_rest_however_long_rest_lags() -> None:
    market = Market()
    async with running(market):
        market.happen(11, START_MS + 100)
        market.exchange.shown_until_ms = START_MS + 50
        market.deliver(market.happen(12, START_MS + 200))
        await seconds(600)

        assert market.published_ids == []
        assert market.counted("missing_trades_total") == 0
        assert market.counted("held_trades") == 1
        market.exchange.shown_until_ms = None
        await seconds(30)
        assert market.published_ids == [11, 12]


@in_virtual_time
async def test_a_failing_rest_is_asked_again_more_and_more_rarely() -> None:
    market = Market()
    async with running(market):
        market.exchange.failures = 10**9
        market.happen(11, START_MS + 100)
        market.deliver(market.happen(12, START_MS + 200))
        calls = market.exchange.call_count
        await seconds(600)
        assert 600 / 15 <= market.exchange.call_count - calls <= 100
        assert market.counted("missing_trades_total") == 0

        market.exchange.failures = 0
        await seconds(16)
        assert market.published_ids == [11, 12]


@in_virtual_time
async def test_what_nobody_has_is_counted_and_skipped_after_a_second_look() -> None:
    market = Market()
    async with running(market):
        market.exchange.hidden_ids = {11, 12}
        market.happen(11, START_MS + 100)
        market.happen(12, START_MS + 101)
        market.deliver(market.happen(13, START_MS + 200))
        calls = market.exchange.call_count

        await seconds(1.5)
        assert market.published_ids == []
        await seconds(1.5)
        assert market.exchange.call_count - calls >= 3
        assert market.published_ids == [13]
        assert market.counted("missing_trades_total") == 2
        assert market.counted("gaps_filled_total") == 0


def test_what_comes_before_the_second_look_is_not_missing() -> None:
    async def main() -> None:
        market = Market()
        lost = [market.happen(number, START_MS + number) for number in range(11, 17)]
        market.exchange.hidden_ids = {11, 13, 14, 15}
        # While REST is asked again, WebSocket brings some of what REST does not have.
        task = asyncio.create_task(market.feed.run())
        await seconds(1)
        market.deliver(lost[2], lost[0])
        await seconds(5)
        assert market.published_ids == [11, 12, 13, 16]
        assert market.counted("missing_trades_total") == 2
        task.cancel()

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_gap_in_which_websocket_brought_the_middle_is_skipped_piece_by_piece() -> None:
    market = Market()
    async with running(market):
        batches = {number: market.happen(number, START_MS + number) for number in range(11, 19)}
        market.exchange.hidden_ids = {11, 12, 13, 14, 15, 16, 17}
        market.deliver(batches[13], batches[15])
        await seconds(5)

        assert market.published_ids == [13, 15, 18]
        assert market.counted("missing_trades_total") == 5


@in_virtual_time
async def test_a_new_product_begins_with_the_trade_that_rest_shows_first() -> None:
    market = Market(last_trade_id=0)
    async with running(market):
        market.happen(3, START_MS + 10)  # lost by WebSocket
        market.deliver(market.happen(4, START_MS + 20))
        assert market.published_ids == []
        await seconds(0.1)

        assert market.published_ids == [3, 4]
        assert market.counted("missing_trades_total") == 0


@in_virtual_time
async def test_a_new_subscription_asks_rest_even_while_rest_is_being_read() -> None:
    market = Market()
    release = asyncio.Event()

    async def wait() -> None:
        await release.wait()

    async with running(market):
        market.exchange.after_answer = wait
        market.feed.on_subscribed()
        await seconds(0.1)
        # The answer under way was made before this; it cannot stand for what follows.
        market.happen(11, START_MS + 100)
        market.feed.on_subscribed()
        release.set()
        await seconds(0.1)

        assert market.published_ids == [11]
        assert market.feed.is_caught_up


@in_virtual_time
async def test_ticks_repeat_the_cursor_once_a_pong_when_nothing_happens() -> None:
    market = Market()
    async with running(market):
        market.deliver(market.happen(11, START_MS + 100))
        market.feed.on_exchange_time(START_MS + 500)  # a trade went since the last one
        market.feed.on_exchange_time(START_MS + 1500)
        market.feed.on_exchange_time(START_MS + 2500)

    [trade, tick, same_tick] = market.sink.records
    assert len(trade.batch) == 1
    assert tick == same_tick or tick.watermark_ms == same_tick.watermark_ms == START_MS + 100
    assert (tick.last_trade_id, tick.last_timestamp_ms) == (11, START_MS + 100)


@in_virtual_time
async def test_nothing_is_proven_before_the_exchange_has_told_its_time() -> None:
    market = Market()
    async with running(market):
        market.feed.on_subscribed()
        await seconds(5)

    assert market.sink.records == []


@in_virtual_time
async def test_an_exchange_that_counts_anew_stops_the_feed() -> None:
    market = Market()
    async with running(market):
        with pytest.raises(ConfigurationError, match="counts anew"):
            market.deliver(market.happen(5, START_MS + 10 * MINUTE_MS))
