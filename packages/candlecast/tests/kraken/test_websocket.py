"""The socket shell against a real WebSocket server on this machine, scripted per connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from candlecast.errors import ConfigurationError, TransientError
from candlecast.kraken.reconnect import ReconnectPolicy
from candlecast.kraken.stream_protocol import (
    Connected,
    ServerTime,
    StatusChanged,
    StreamEvent,
    Subscribed,
)
from candlecast.kraken.websocket import Disconnected, KrakenTradeStream, reconnecting_events
from candlecast.kraken.websocket_parser import TradeUpdate
from candlecast.market.product import Product

STATUS = '{"channel":"status","type":"update","data":[{"system":"%s"}]}'
TIME_OUT = "2023-09-25T09:05:00.123500Z"
Handler = Callable[[ServerConnection], Awaitable[None]]


def product(product_id: str) -> Product:
    name = product_id.replace("/", "")
    return Product(
        product_id=product_id,
        rest_key=name,
        altname=name,
        websocket_v1_name=product_id,
        price_decimals=1,
        quantity_decimals=8,
    )


PRODUCTS = [product("BTC/USD"), product("ETH/USD")]


def snapshot(symbol: str) -> str:
    trade = {
        "symbol": symbol,
        "side": "buy",
        "price": 1.5,
        "qty": 2.0,
        "trade_id": 7,
        "timestamp": TIME_OUT,
    }
    return json.dumps({"channel": "trade", "type": "snapshot", "data": [trade]})


async def answer_requests(connection: ServerConnection) -> None:
    """What a healthy exchange does: status, one ack and one snapshot per symbol, pongs."""
    await connection.send(STATUS % "online")
    async for message in connection:
        request = json.loads(message)
        if request["method"] == "ping":
            pong = {"method": "pong", "req_id": request["req_id"], "time_out": TIME_OUT}
            await connection.send(json.dumps(pong))
            continue
        for symbol in request["params"]["symbol"]:
            result = {"channel": "trade", "symbol": symbol, "snapshot": True}
            ack = {"method": "subscribe", "success": True, "result": result}
            await connection.send(json.dumps(ack))
            await connection.send(snapshot(symbol))


@asynccontextmanager
async def exchange(*handlers: Handler) -> AsyncIterator[str]:
    """Serve connections with the handlers one after the other; the last one stays."""
    connections = 0

    async def handle(connection: ServerConnection) -> None:
        nonlocal connections
        handler = handlers[min(connections, len(handlers) - 1)]
        connections += 1
        with suppress(ConnectionClosed):
            await handler(connection)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v2"


async def take(events: AsyncIterator[StreamEvent], count: int) -> list[StreamEvent]:
    return [await anext(events) for _ in range(count)]


async def test_a_connection_tells_status_subscriptions_snapshots_and_the_server_time() -> None:
    async with exchange(answer_requests) as url, KrakenTradeStream(url, PRODUCTS) as stream:
        events = await take(stream, 7)

    assert events[0] == Connected()
    assert events[1] == StatusChanged("online")
    assert [event for event in events if isinstance(event, Subscribed)] == [
        Subscribed("BTC/USD"),
        Subscribed("ETH/USD"),
    ]
    updates = [event for event in events if isinstance(event, TradeUpdate)]
    assert [update.batches[0].product_id for update in updates] == ["BTC/USD", "ETH/USD"]
    assert all(update.is_snapshot for update in updates)
    (server_time,) = [event for event in events if isinstance(event, ServerTime)]
    assert server_time.server_time_ms == 1695632700123


async def test_pings_go_on_while_nothing_else_happens() -> None:
    async with (
        exchange(answer_requests) as url,
        KrakenTradeStream(url, PRODUCTS, ping_interval_seconds=0.01) as stream,
    ):
        events = await take(stream, 12)

    assert len([event for event in events if isinstance(event, ServerTime)]) == 6


async def test_a_silent_connection_is_given_up() -> None:
    async def silence(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with (
        exchange(silence) as url,
        KrakenTradeStream(url, PRODUCTS, silence_timeout_seconds=0.05) as stream,
    ):
        assert await anext(stream) == Connected()
        with pytest.raises(TransientError, match=r"no message for 0\.05 s"):
            await anext(stream)


async def test_a_closed_connection_is_a_transient_error() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1012, "restart")

    async with exchange(close) as url, KrakenTradeStream(url, PRODUCTS) as stream:
        with pytest.raises(TransientError, match="restart"):
            await take(stream, 5)


async def test_an_address_where_nobody_listens_is_a_transient_error() -> None:
    async with exchange(answer_requests) as url:
        pass

    with pytest.raises(TransientError):
        async with KrakenTradeStream(url, PRODUCTS):
            pass


async def test_a_handshake_answered_by_a_web_page_is_a_transient_error() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "<html>one moment</html>")

    async with serve(answer_requests, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(TransientError, match="503"):
            async with KrakenTradeStream(f"ws://127.0.0.1:{port}", PRODUCTS):
                pass


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1"])
async def test_an_address_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        async with KrakenTradeStream(url, PRODUCTS):
            pass


def test_a_stream_without_products_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no products"):
        KrakenTradeStream("ws://127.0.0.1:1", [])


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_lost_connection_is_told_and_followed_by_the_next() -> None:
    async def drop(connection: ServerConnection) -> None:
        await connection.send(STATUS % "online")
        connection.transport.abort()

    async with (
        exchange(drop, answer_requests) as url,
        aclosing(
            reconnecting_events(lambda: KrakenTradeStream(url, PRODUCTS), sleep=no_sleep)
        ) as events,
    ):
        seen = []
        async for event in events:
            seen.append(event)
            if isinstance(event, TradeUpdate):
                break

    kinds = [type(event) for event in seen]
    lost = kinds.index(Disconnected)
    assert kinds[0] is Connected
    assert kinds[lost + 1] is Connected
    assert kinds[-1] is TradeUpdate
    disconnected = seen[lost]
    assert isinstance(disconnected, Disconnected)
    assert disconnected.was_connected
    assert disconnected.retry_in_seconds == 0.0


async def test_after_maintenance_the_next_connection_waits_five_seconds() -> None:
    slept: list[float] = []

    async def remember(seconds: float) -> None:
        slept.append(seconds)

    async def maintain(connection: ServerConnection) -> None:
        await connection.send(STATUS % "maintenance")
        await connection.close(1001, "maintenance")

    async with (
        exchange(maintain, answer_requests) as url,
        aclosing(
            reconnecting_events(
                lambda: KrakenTradeStream(url, PRODUCTS),
                policy=ReconnectPolicy(jitter=lambda: 0.0),
                sleep=remember,
            )
        ) as events,
    ):
        async for event in events:
            if isinstance(event, TradeUpdate):
                break

    assert slept == [0.0, pytest.approx(5.0, abs=0.5)]


async def test_attempts_that_fail_are_told_one_by_one() -> None:
    async with exchange(answer_requests) as url:
        pass

    async with aclosing(
        reconnecting_events(lambda: KrakenTradeStream(url, PRODUCTS), sleep=no_sleep)
    ) as events:
        failures = [await anext(events) for _ in range(4)]

    assert all(isinstance(event, Disconnected) and not event.was_connected for event in failures)
    last = failures[-1]
    assert isinstance(last, Disconnected)
    assert last.retry_in_seconds >= 5.0
