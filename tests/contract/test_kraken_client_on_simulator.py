"""The Kraken client and the Kraken simulator were written apart, from the same reference.

Where they agree, both have probably understood it; the truth endpoint, computed by the simulator
without any of this code, says whether what arrived is complete.
"""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import numpy as np
import pytest

from candlecast.errors import ConfigurationError
from candlecast.kraken.reconnect import ReconnectPolicy
from candlecast.kraken.rest import KrakenRestClient, RequestReport
from candlecast.kraken.stream_protocol import (
    Connected,
    ServerTime,
    StreamEvent,
    Subscribed,
    SubscriptionRejected,
)
from candlecast.kraken.trade_history import last_trade_before, pages_after, range_from
from candlecast.kraken.websocket import Disconnected, KrakenTradeStream, reconnecting_events
from candlecast.kraken.websocket_parser import TradeUpdate
from candlecast.market.product import Product, ProductCatalogue
from candlecast.market.trade_batch import TradeBatch
from kraken_simulator.testing import RunningSimulator, running_simulator

MINUTE_MS = 60_000
NAMES = ("BTC/USD", "DOGE/USD", "QNT/USD")


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=NAMES, speed=60.0) as running:
        yield running


def client_of(
    simulator: RunningSimulator, reports: list[RequestReport] | None = None
) -> KrakenRestClient:
    return KrakenRestClient(
        simulator.rest_url,
        calls_per_second=math.inf,
        on_request=None if reports is None else reports.append,
        sleep=no_sleep,
    )


async def no_sleep(seconds: float) -> None:
    """Retries and second looks follow at once."""


async def catalogue_of(simulator: RunningSimulator) -> ProductCatalogue:
    async with client_of(simulator) as client:
        return await client.product_catalogue()


async def trades_of_range(
    client: KrakenRestClient, product: Product, start_ms: int, end_ms: int
) -> tuple[TradeBatch, int]:
    """Read a range as the historical producer does; return its trades and how many are missing."""
    history = await range_from(client, product, start_ms=start_ms, sleep=no_sleep)
    batches, missing_count = [], 0
    async with aclosing(history.pages) as pages:
        async for page in pages:
            batches.append(page.batch)
            missing_count += page.missing_count
            if len(page.batch) > 0 and page.batch.timestamp_ms[-1] >= end_ms:
                break
    trades = TradeBatch.concatenate(product.product_id, batches)
    return trades.select(trades.timestamp_ms < end_ms), missing_count


async def test_names_time_status_and_the_simulators_mark(simulator: RunningSimulator) -> None:
    async with client_of(simulator) as client:
        before_ms = simulator.server_ms
        server_ms = await client.time()
        status = await client.system_status()
        catalogue = await client.product_catalogue()

        assert client.is_simulator
    assert server_ms >= before_ms - before_ms % 1000
    assert status.status == "online"
    assert catalogue.product("XXBTZUSD").product_id == "BTC/USD"
    assert catalogue.product("XDGUSD").product_id == "DOGE/USD"
    assert {product.product_id for product in catalogue} == set(NAMES)


async def test_an_unknown_product_is_a_configuration_error(simulator: RunningSimulator) -> None:
    async with client_of(simulator) as client:
        with pytest.raises(ConfigurationError, match="Unknown asset pair"):
            await client.trades("NOPE")


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"page_edge_duplicates": 7},
        {"http_429_probability": 0.1, "http_5xx_probability": 0.1, "html_probability": 0.1},
        {"rate_limit_probability": 0.2},
    ],
    ids=["healthy", "duplicated rows", "broken answers", "rate limits"],
)
@pytest.mark.parametrize("product_id", ["BTC/USD", "QNT/USD"])
async def test_a_range_read_over_rest_has_every_trade_of_the_truth(
    simulator: RunningSimulator, product_id: str, faults: dict[str, float]
) -> None:
    product = (await catalogue_of(simulator)).product(product_id)
    simulator.set_faults(**faults)
    end_ms = (simulator.server_ms - 3 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    start_ms = end_ms - 60 * MINUTE_MS

    async with client_of(simulator) as client:
        trades, missing_count = await trades_of_range(client, product, start_ms, end_ms)

    assert missing_count == 0
    for candle in simulator.truth(product_id, start_ms, end_ms):
        minute = trades.select(trades.timestamp_ms // MINUTE_MS * MINUTE_MS == candle["start_ms"])
        assert len(minute) == candle["trade_count"]
        if len(minute) > 0:
            assert minute.price[0] == candle["open"]
            assert minute.price.max() == candle["high"]
            assert minute.price[-1] == candle["close"]
            assert round(math.fsum(minute.quantity), 8) == candle["volume"]


async def test_the_trade_before_a_moment_gives_the_previous_close(
    simulator: RunningSimulator,
) -> None:
    product = (await catalogue_of(simulator)).product("QNT/USD")
    end_ms = (simulator.server_ms - 3 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    candles = simulator.truth("QNT/USD", end_ms - 40 * MINUTE_MS, end_ms)

    async with client_of(simulator) as client:
        for candle in candles[::7]:
            seed = await last_trade_before(client, product, candle["timestamp_ms"])
            assert seed is not None
            assert seed.price == candle["close"]


async def test_trades_that_exist_nowhere_are_reported(simulator: RunningSimulator) -> None:
    product = (await catalogue_of(simulator)).product("BTC/USD")
    start_ms = simulator.server_ms - 30 * MINUTE_MS
    async with client_of(simulator) as client:
        page = await client.trades(product, since_ns=start_ms * 1_000_000)
        lost_ids = {int(page.batch.trade_id[500]), int(page.batch.trade_id[501])}
        simulator.set_faults(missing_trade_ids={"BTC/USD": sorted(lost_ids)})

        trades, missing_count = await trades_of_range(
            client, product, start_ms, simulator.server_ms
        )

    assert missing_count == 2
    assert not lost_ids & set(trades.trade_id.tolist())


async def test_candles_of_the_exchange_equal_the_truth(simulator: RunningSimulator) -> None:
    product = (await catalogue_of(simulator)).product("BTC/USD")
    async with client_of(simulator) as client:
        page = await client.ohlc(product)

    first, last = page.candles[-30], page.candles[-1]
    truth = simulator.truth("BTC/USD", first.start_ms, last.start_ms + MINUTE_MS)
    assert [(c.start_ms, c.open, c.close, c.trade_count) for c in page.candles[-30:]] == [
        (c["start_ms"], c["open"], c["close"], c["trade_count"]) for c in truth
    ]


async def test_requests_are_reported_by_outcome(simulator: RunningSimulator) -> None:
    reports: list[RequestReport] = []
    simulator.set_faults(http_5xx_probability=1.0)

    async with KrakenRestClient(
        simulator.rest_url, give_up_after_seconds=0.0, on_request=reports.append
    ) as client:
        with pytest.raises(Exception, match="gave up"):
            await client.time()

    assert [(report.endpoint, report.outcome) for report in reports] == [("Time", "transient")]


async def live_trades(events: AsyncIterator[StreamEvent | Disconnected], count: int) -> set[type]:
    """Check ids and times of live trades until there are enough; return the kinds of events."""
    ids: dict[str, list[int]] = defaultdict(list)
    kinds: set[type] = set()
    seen = 0
    async for event in events:
        kinds.add(type(event))
        if not isinstance(event, TradeUpdate):
            continue
        for batch in event.batches:
            ids[batch.product_id].extend(batch.trade_id.tolist())
            seen += len(batch)
        if seen >= count and ServerTime in kinds:
            break
    for numbers in ids.values():
        assert (np.diff(sorted(set(numbers))) >= 1).all()
    return kinds


async def test_live_trades_continue_the_rest_history_by_id(simulator: RunningSimulator) -> None:
    catalogue = await catalogue_of(simulator)
    product = catalogue.product("BTC/USD")
    ids: list[int] = []

    async with KrakenTradeStream(simulator.websocket_url, [product]) as stream:
        async for event in stream:
            if isinstance(event, TradeUpdate):
                ids.extend(event.batches[0].trade_id.tolist())
            if len(ids) >= 300:
                break

    assert ids == list(range(ids[0], ids[0] + len(ids)))
    async with client_of(simulator) as client:
        since_ns = (simulator.server_ms - 60 * MINUTE_MS) * 1_000_000
        batches = [
            page.batch
            async for page in pages_after(client, product, last_trade_id=0, since_ns=since_ns)
        ]
    assert set(ids) <= set(TradeBatch.concatenate("BTC/USD", batches).trade_id.tolist())


async def test_several_products_share_a_connection_and_an_unknown_one_is_named(
    simulator: RunningSimulator,
) -> None:
    products = [(await catalogue_of(simulator)).product(name) for name in NAMES[:2]]
    unknown = Product(
        product_id="XBT/USD",
        rest_key="X",
        altname="X",
        websocket_v1_name="XBT/USD",
        price_decimals=1,
        quantity_decimals=8,
    )
    subscribed, rejected = set(), set()

    async with KrakenTradeStream(simulator.websocket_url, [*products, unknown]) as stream:
        async for event in stream:
            if isinstance(event, Subscribed):
                subscribed.add(event.product_id)
            if isinstance(event, SubscriptionRejected):
                rejected.add(event.product_id)
            if len(subscribed) + len(rejected) == 3:
                break

    assert (subscribed, rejected) == ({"BTC/USD", "DOGE/USD"}, {"XBT/USD"})


async def test_dropped_connections_are_told_and_replaced(simulator: RunningSimulator) -> None:
    product = (await catalogue_of(simulator)).product("BTC/USD")
    policy = ReconnectPolicy(immediate_attempts=100)

    async with aclosing(
        reconnecting_events(
            lambda: KrakenTradeStream(simulator.websocket_url, [product]), policy=policy
        )
    ) as events:
        await live_trades(events, 60)
        simulator.disconnect()
        kinds = await live_trades(events, 120)

    assert {Disconnected, Connected, TradeUpdate} <= kinds


async def test_a_silent_socket_is_replaced(simulator: RunningSimulator) -> None:
    product = (await catalogue_of(simulator)).product("BTC/USD")

    async with aclosing(
        reconnecting_events(
            lambda: KrakenTradeStream(
                simulator.websocket_url, [product], silence_timeout_seconds=0.5
            )
        )
    ) as events:
        await live_trades(events, 60)
        simulator.silence(30.0)
        kinds = await live_trades(events, 120)

    assert {Disconnected, Connected} <= kinds
