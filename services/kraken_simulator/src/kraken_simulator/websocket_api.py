"""WebSocket v2 over Starlette: a `WebSocketSession` and a `ConnectionTimetable` for each socket."""

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from kraken_simulator.clock import ServerClock
from kraken_simulator.connection_timetable import HEARTBEAT_SECONDS, ConnectionTimetable
from kraken_simulator.exchange import Exchange
from kraken_simulator.faults import FaultInjector
from kraken_simulator.metrics import Metrics
from kraken_simulator.rest_api import SIMULATOR_HEADER
from kraken_simulator.websocket_session import WebSocketSession

CLOSE_GOING_AWAY = 1001
CLOSE_SERVICE_RESTART = 1012

# Turns closer together than this are made one: at high speeds a frame then carries more trades
# instead of the loop turning for each of them.
_SHORTEST_TURN_SECONDS = 0.002
_CLOSE_PATIENCE_SECONDS = 0.5
# Like Kraken's, connection ids do not fit a double.
_SMALLEST_CONNECTION_ID, _LARGEST_CONNECTION_ID = 2**62, 2**63 - 1


class WebSocketApi:
    """Answers `/v2` and knows all open connections."""

    def __init__(
        self, exchange: Exchange, clock: ServerClock, injector: FaultInjector, metrics: Metrics
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._injector = injector
        self._metrics = metrics
        self._connections: set[_Connection] = set()

    @property
    def routes(self) -> list[WebSocketRoute]:
        """The routes to mount."""
        return [WebSocketRoute("/v2", self._serve)]

    def disconnect_all(self, code: int = CLOSE_SERVICE_RESTART) -> int:
        """Close every connection now; return how many there were."""
        for connection in self._connections:
            connection.close(code)
        return len(self._connections)

    def silence_all(self, seconds: float) -> int:
        """Make every open connection fall silent now; return how many there are."""
        for connection in self._connections:
            connection.fall_silent(seconds)
        return len(self._connections)

    def faults_changed(self) -> None:
        """Make every connection look at the faults again."""
        for connection in self._connections:
            connection.wake()

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept(headers=[(SIMULATOR_HEADER.encode(), b"1")])
        session = WebSocketSession(
            self._exchange,
            self._injector,
            connection_id=random.randint(_SMALLEST_CONNECTION_ID, _LARGEST_CONNECTION_ID),  # noqa: S311
            on_trades_sent=self._count_trades,
            on_fault=lambda fault: self._metrics.faults_injected.labels(fault).inc(),
        )
        connection = _Connection(websocket, session, self._clock, self._injector, self._metrics)
        self._connections.add(connection)
        self._metrics.websocket_connections.set(len(self._connections))
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._metrics.websocket_connections.set(len(self._connections))

    def _count_trades(self, product_id: str, count: int, lateness_ns: int) -> None:
        self._metrics.trades_sent.labels(product_id).inc(count)
        delay_seconds = self._clock.line.wall_seconds(lateness_ns)
        self._metrics.trade_send_delay_seconds.observe(delay_seconds)


class _Connection:
    """One socket: reads requests, sends what is due, until either side closes."""

    def __init__(
        self,
        websocket: WebSocket,
        session: WebSocketSession,
        clock: ServerClock,
        injector: FaultInjector,
        metrics: Metrics,
    ) -> None:
        self._websocket = websocket
        self._session = session
        self._clock = clock
        self._injector = injector
        self._metrics = metrics
        self._timetable = ConnectionTimetable(time.monotonic())
        # Asking the session and sending its answer is one step, or frames could overtake others.
        self._speaking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closing: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._send(self._session.greet())
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]
        ends: list[asyncio.Future[Any]] = [*tasks, self._closing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if self._closing.done():
            await self._close_socket(self._closing.result())
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not _means_disconnected(outcome):
                raise outcome

    def close(self, code: int) -> None:
        if not self._closing.done():
            self._closing.set_result(code)

    def fall_silent(self, seconds: float) -> None:
        self._metrics.faults_injected.labels("silence").inc()
        self._timetable.fall_silent(time.monotonic(), seconds)
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or message.get("bytes") or ""
            async with self._speaking:
                now_seconds = time.monotonic()
                self._timetable.heard(now_seconds)
                if not self._timetable.is_silent(now_seconds):
                    await self._send(self._session.receive(text, self._clock.now_ns()))
            self.wake()

    async def _speak(self) -> None:
        while True:
            self._wake.clear()
            async with self._speaking:
                await self._take_turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds()):
                    await self._wake.wait()

    async def _take_turn(self) -> None:
        now_seconds, faults = time.monotonic(), self._injector.faults
        reason = self._timetable.must_close(
            now_seconds, faults, is_subscribed=self._session.is_subscribed
        )
        if reason is not None:
            self._metrics.faults_injected.labels(reason).inc()
            self.close(CLOSE_SERVICE_RESTART)
            return
        if self._timetable.starts_silence(now_seconds, faults):
            self._metrics.faults_injected.labels("silence").inc()
        if not self._timetable.is_silent(now_seconds):
            now_ns = self._clock.now_ns()
            frames = self._session.advance(now_ns)
            wants_heartbeat = self._session.has_ever_subscribed and not frames
            if wants_heartbeat and self._timetable.heartbeat_is_due(now_seconds):
                frames = self._session.heartbeat(now_ns)
            await self._send(frames)

    def _pause_seconds(self) -> float:
        due_ns = self._session.next_due_ns()
        trade_in_seconds = None
        if due_ns is not None:
            trade_in_seconds = self._clock.line.wall_seconds(due_ns - self._clock.now_ns())
        pause_seconds = self._timetable.seconds_until_next(
            time.monotonic(), self._injector.faults, trade_in_seconds=trade_in_seconds
        )
        if not self._session.has_ever_subscribed:
            # No heartbeat is owed yet; the timetable's idle limit is looked at once a second.
            return max(pause_seconds, HEARTBEAT_SECONDS / 10)
        return max(pause_seconds, _SHORTEST_TURN_SECONDS)

    async def _send(self, frames: list[str]) -> None:
        for frame in frames:
            await self._websocket.send_text(frame)
        if frames:
            self._timetable.sent(time.monotonic())

    async def _close_socket(self, code: int) -> None:
        # A client that does not read must not keep its connection open by that.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_CLOSE_PATIENCE_SECONDS):
                await self._websocket.close(code)


def _means_disconnected(error: Exception) -> bool:
    # Starlette says RuntimeError for a send after the other side has closed.
    return isinstance(error, (WebSocketDisconnect, RuntimeError, OSError))
