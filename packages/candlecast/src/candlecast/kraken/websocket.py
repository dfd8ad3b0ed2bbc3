"""Live trades over Kraken's WebSocket v2: the sockets around `stream_protocol` and `reconnect`.

Responsible for: one connection's life (`KrakenTradeStream`) and connections one after the other
(`reconnecting_events`). What was traded between two connections is not here: the consumer reads it
over REST, and the trade ids prove that it did.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from candlecast.errors import ConfigurationError, TransientError
from candlecast.kraken.errors import classify_exception
from candlecast.kraken.reconnect import ReconnectPolicy
from candlecast.kraken.stream_protocol import ONLINE, Connected, StreamEvent, StreamProtocol
from candlecast.market.product import Product

PRODUCTION_URL = "wss://ws.kraken.com/v2"

_OPEN_TIMEOUT_SECONDS = 10.0
_CLOSE_TIMEOUT_SECONDS = 2.0
_LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection ended, or could not be made.

    Attributes:
        reason: what happened.
        was_connected: whether there was a connection.
        retry_in_seconds: when the next attempt follows.
    """

    reason: str
    was_connected: bool
    retry_in_seconds: float


class KrakenTradeStream:
    """One connection's life: an async context manager that is iterated for its events.

    The first event is `Connected`. Keep iterating, also while something else is waited for: pings
    are sent from there, and Kraken closes a connection that is not read. Iteration ends only by an
    error: TransientError when the connection is lost or silent, ConfigurationError when Kraken
    knows none of the products.
    """

    def __init__(
        self,
        url: str = PRODUCTION_URL,
        products: Sequence[Product] = (),
        *,
        ping_interval_seconds: float = 1.0,
        silence_timeout_seconds: float = 10.0,
        subscribe_timeout_seconds: float = 10.0,
        open_timeout_seconds: float = _OPEN_TIMEOUT_SECONDS,
    ) -> None:
        """Prepare a connection; entering the context makes it.

        Args:
            url: of the exchange or a simulator of it.
            products: to subscribe.
            ping_interval_seconds: how often the exchange's clock is asked for.
            silence_timeout_seconds: without any message for this long the connection is dead.
            subscribe_timeout_seconds: for the answers to all subscriptions.
            open_timeout_seconds: for connecting.
        """
        if not products:
            raise ConfigurationError("no products to subscribe")
        self._url = url
        self._open_timeout_seconds = open_timeout_seconds
        self._protocol = StreamProtocol(
            [product.product_id for product in products],
            ping_interval_seconds=ping_interval_seconds,
            silence_timeout_seconds=silence_timeout_seconds,
            subscribe_timeout_seconds=subscribe_timeout_seconds,
        )
        self._socket: ClientConnection | None = None
        self._is_open = False
        self._events: deque[StreamEvent] = deque()
        self._handed_over_at: float | None = None

    @property
    def is_online(self) -> bool:
        """Whether the exchange last said that it trades."""
        return self._protocol.system == ONLINE

    async def __aenter__(self) -> Self:
        try:
            self._socket = await connect(
                self._url,
                compression=None,
                ping_interval=None,
                max_size=_LARGEST_MESSAGE_BYTES,
                open_timeout=self._open_timeout_seconds,
                close_timeout=_CLOSE_TIMEOUT_SECONDS,
            )
        except (WebSocketException, OSError, EOFError, ValueError) as error:
            raise classify_exception(error) from error
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            await self._socket.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._handed_over_at is not None:
            self._protocol.excuse(time.monotonic() - self._handed_over_at)
        while not self._events:
            await self._advance()
        self._handed_over_at = time.monotonic()
        return self._events.popleft()

    async def _advance(self) -> None:
        """Begin, or wait for the next message while doing what becomes due."""
        if not self._is_open:
            self._is_open = True
            await self._send(self._protocol.open(time.monotonic()))
            self._events.append(Connected())
            return
        message = await self._receive()
        if message is not None:
            self._events.extend(self._protocol.receive(message, time.monotonic()))
        if time.monotonic() >= self._protocol.next_deadline:
            await self._send(self._protocol.check(time.monotonic()))

    async def _receive(self) -> bytes | None:
        """Return the next message; None if something becomes due before one comes."""
        try:
            async with asyncio.timeout(self._protocol.next_deadline - time.monotonic()):
                return await self._connection.recv(decode=False)
        except TimeoutError:
            return None
        except (WebSocketException, OSError, EOFError) as error:
            raise classify_exception(error) from error

    async def _send(self, messages: Sequence[bytes]) -> None:
        try:
            for message in messages:
                await self._connection.send(message, text=True)
        except ConnectionClosed:
            # Receiving says so too, but only after what had arrived before: the status that says
            # "maintenance" is among it when Kraken closes right away.
            return
        except (WebSocketException, OSError, EOFError) as error:
            raise classify_exception(error) from error

    @property
    def _connection(self) -> ClientConnection:
        if self._socket is None:
            raise RuntimeError("enter the stream's context before iterating it")
        return self._socket


async def reconnecting_events(
    open_stream: Callable[[], KrakenTradeStream],
    *,
    policy: ReconnectPolicy | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[StreamEvent | Disconnected, None]:
    """Yield the events of one connection after the other, for ever.

    Between two connections there is a `Disconnected`; after each `Connected` the consumer catches
    up over REST. Close the iterator (contextlib.aclosing) to close the connection at once.

    Args:
        open_stream: builds the next connection's stream.
        policy: when to connect again; a fresh one with Kraken's budget if not given.
        sleep: waits for some seconds.

    Raises:
        ConfigurationError: if Kraken knows none of the products, or the address is wrong.
    """
    policy = ReconnectPolicy() if policy is None else policy
    while True:
        await sleep(policy.delay_seconds(time.monotonic()))
        stream = open_stream()
        connected_at: float | None = None
        policy.attempt_started(time.monotonic())
        try:
            async with stream:
                async for event in stream:
                    if connected_at is None:
                        connected_at = time.monotonic()
                    yield event
        except TransientError as error:
            now = time.monotonic()
            policy.connection_ended(
                now,
                lived_seconds=0.0 if connected_at is None else now - connected_at,
                was_maintenance=not stream.is_online,
                retry_after_seconds=error.retry_after_seconds,
            )
            yield Disconnected(str(error), connected_at is not None, policy.delay_seconds(now))
