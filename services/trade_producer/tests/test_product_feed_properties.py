"""One product's feed in a world where anything may happen, in any order.

WebSocket messages are lost, repeated or late; connections break; REST lags, fails or answers after
a while what was true before. Whatever happens, nothing is published twice or out of order, no
watermark passes a trade, and once the world is well again everything has been published.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.trades import make_batch
from trade_producer.metrics import Metrics
from trade_producer.product_feed import ProductFeed, ProofTiming
from trade_producer.sequencer import TradeSequencer
from trade_producer.testing.folding import require_sound, trades_of
from trade_producer.testing.in_memory import InMemoryExchange, InMemorySink, make_product
from trade_producer.testing.virtual_time import run_in_virtual_time

BTC = "BTC/USD"
START_MS = 1_790_000_040_000
GRACE_MS = 2_000
CHECK_MS = 10_000
SNAPSHOT_TRADES = 50

Fate = Literal["arrives", "lost", "twice", "late"]
fates = st.sampled_from(["arrives", "arrives", "lost", "twice", "late"])


@dataclass(frozen=True)
class Trade:
    """Trades happen, each so long after the one before, and are sent in one message."""

    steps_ms: tuple[int, ...]


@dataclass(frozen=True)
class Messages:
    """The oldest messages under way meet their fates; a late one keeps the others waiting."""

    fates: tuple[Fate, ...]


@dataclass(frozen=True)
class Pong:
    """The exchange tells its time, after all messages before it."""

    pass_ms: int
    fate: Fate


@dataclass(frozen=True)
class Reconnect:
    """What was under way is gone; the newest trades come as a snapshot, if that arrives."""

    snapshot_arrives: bool


@dataclass(frozen=True)
class RestIs:
    """How REST answers from now on."""

    lag_ms: int
    failures: int
    before_seconds: float
    after_seconds: float


@dataclass(frozen=True)
class Wait:
    """Wall time passes."""

    seconds: float


Step = Trade | Messages | Pong | Reconnect | RestIs | Wait
trades = st.builds(
    Trade,
    st.lists(st.sampled_from([0, 1, 300, 2_500, 9_000]), min_size=1, max_size=3).map(tuple),
)
pongs = st.builds(Pong, st.sampled_from([0, 500, 2_000, 11_000]), fates)
rests = st.builds(
    RestIs,
    st.sampled_from([0, 500, GRACE_MS]),
    st.sampled_from([0, 0, 0, 1, 3]),
    before_seconds=st.sampled_from([0.0, 0.1, 3.0]),
    after_seconds=st.sampled_from([0.0, 0.1, 3.0]),
)
steps = st.one_of(
    trades,
    pongs,
    pongs,
    st.builds(Wait, st.sampled_from([0.05, 0.5, 2.5, 20.0])),
    st.builds(Messages, st.lists(fates, min_size=1, max_size=3).map(tuple)),
    st.builds(Reconnect, st.booleans()),
    rests,
)


class World:
    """An exchange, a connection to it, and the feed at the other end."""

    def __init__(self, *, first_id: int, hidden_ids: set[int], is_new: bool) -> None:
        self.now_ms = START_MS
        self.next_id = first_id
        self.under_way: deque[TradeBatch] = deque()
        self.rest = RestIs(0, 0, 0.0, 0.0)
        self.exchange = InMemoryExchange()
        self.exchange.hidden_ids = hidden_ids
        self.exchange.before_answer = self._before_answer
        self.exchange.after_answer = self._after_answer
        self.sink = InMemorySink()
        last_id = 0
        if not is_new:
            self.trade((0,))
            self.under_way.clear()
            last_id = first_id
        self.feed = ProductFeed(
            make_product(),
            client=self.exchange,
            sink=self.sink,
            timing=ProofTiming(watermark_grace_ms=GRACE_MS, completeness_check_ms=CHECK_MS),
            metrics=Metrics(CollectorRegistry()),
            sequencer=TradeSequencer(
                BTC, last_trade_id=last_id, last_timestamp_ms=START_MS, watermark_ms=START_MS
            ),
        )

    async def _before_answer(self) -> None:
        await asyncio.sleep(self.rest.before_seconds)
        self.exchange.shown_until_ms = self.now_ms - self.rest.lag_ms

    async def _after_answer(self) -> None:
        await asyncio.sleep(self.rest.after_seconds)

    def trade(self, steps_ms: tuple[int, ...]) -> None:
        moments = self.now_ms + np.cumsum(steps_ms)
        self.now_ms = int(moments[-1])
        batch = make_batch(*((int(m), 1.0) for m in moments), first_id=self.next_id)
        self.next_id += len(batch)
        self.exchange.happen(batch)
        visible = batch.select(~np.isin(batch.trade_id, list(self.exchange.hidden_ids)))
        if len(visible) > 0:
            self.under_way.append(visible)

    def settle(self, fate: Fate) -> None:
        if fate == "late" or not self.under_way:
            return
        batch = self.under_way.popleft()
        for _ in range({"arrives": 1, "lost": 0, "twice": 2}[fate]):
            self.feed.on_trades(batch, 0.0)

    def pong(self, pass_ms: int, fate: Fate) -> None:
        self.now_ms += pass_ms
        while self.under_way:
            self.settle("arrives" if fate == "late" else fate)
        self.feed.on_exchange_time(self.now_ms)

    def reconnect(self, *, snapshot_arrives: bool) -> None:
        self.under_way.clear()
        self.feed.on_subscribed()
        trades = self.exchange.happened
        trades = trades.select(~np.isin(trades.trade_id, list(self.exchange.hidden_ids)))
        if snapshot_arrives and len(trades) > 0:
            self.under_way.append(trades.select(slice(-SNAPSHOT_TRADES, None)))

    async def take(self, step: Step) -> None:
        match step:
            case Trade():
                self.trade(step.steps_ms)
            case Messages():
                for fate in step.fates:
                    self.settle(fate)
            case Pong():
                self.pong(step.pass_ms, step.fate)
            case Reconnect():
                self.reconnect(snapshot_arrives=step.snapshot_arrives)
            case RestIs():
                self.rest = step
                self.exchange.failures = step.failures
            case Wait():
                await asyncio.sleep(step.seconds)
        # The feed reacts now and then between two steps, not after each one.
        if len(self.sink.records) % 2 == 0:
            await asyncio.sleep(0)

    async def get_well(self) -> None:
        await self.take(RestIs(0, 0, 0.0, 0.0))
        self.exchange.hidden_ids = {i for i in self.exchange.hidden_ids if i < self.next_id}
        self.trade((1,))
        self.reconnect(snapshot_arrives=True)
        for _ in range(3):
            await asyncio.sleep(60.0)
            self.pong(CHECK_MS, "arrives")
        await asyncio.sleep(60.0)


@settings(max_examples=200, deadline=None)
@given(
    rest=rests,
    script=st.lists(steps, min_size=15, max_size=50),
    first_id=st.integers(1, 5),
    hidden_ids=st.sets(st.integers(2, 30), max_size=4),
    is_new=st.booleans(),
)
def test_whatever_happens_everything_is_published_once_in_order_and_never_after_its_watermark(
    rest: RestIs, script: list[Step], first_id: int, hidden_ids: set[int], is_new: bool
) -> None:
    async def live() -> World:
        world = World(first_id=first_id, hidden_ids=hidden_ids - {first_id}, is_new=is_new)
        feeding = asyncio.create_task(world.feed.run())
        for step in [rest, *script]:
            await world.take(step)
        await world.get_well()
        assert not feeding.done()
        feeding.cancel()
        return world

    world = run_in_virtual_time(live())

    records, lost_ids = world.sink.records, world.exchange.hidden_ids
    require_sound(records, lost_ids=lost_ids)
    expected = range(first_id if is_new else first_id + 1, world.next_id)
    published = trades_of(records, BTC).trade_id.tolist()
    assert published == [i for i in expected if i not in lost_ids]
    assert records[-1].watermark_ms >= world.now_ms - GRACE_MS - CHECK_MS
    assert world.feed.is_caught_up
