"""One WebSocket v2 conversation without a socket: requests and server time in, frames out.

The promise every caller of this module keeps by sending frames in the order given: before a pong,
an acknowledgement or a heartbeat, every trade up to that server time has been sent.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from kraken_simulator.exchange import Exchange, Market, newest_trades, visible_trades
from kraken_simulator.faults import FaultInjector
from kraken_simulator.websocket_frames import (
    HEARTBEAT,
    error_frame,
    pong_frame,
    status_frame,
    subscribed_frame,
    trade_frame,
)

SNAPSHOT_TRADES = 50
# At high speeds a turn can be due thousands of trades; clients cap the size of a frame.
_TRADES_PER_FRAME = 500


class _Request(msgspec.Struct):
    method: str
    params: dict[str, Any] = {}
    req_id: int | None = None


class _Subscription:
    """What a connection has been sent of one product, and when it has to be sent more."""

    def __init__(self, market: Market, next_id: int) -> None:
        self.market = market
        self.next_id = next_id
        self.due_ns = market.next_due_ns(next_id)

    def sent_up_to(self, end_id: int) -> None:
        self.next_id = end_id
        self.due_ns = self.market.next_due_ns(end_id)


class WebSocketSession:
    """The state of one connection.

    Args:
        exchange: what can be subscribed to.
        injector: drops and duplicates trade messages, and hides trades.
        connection_id: told in the greeting.
        on_trades_sent: told of (product, number of trades, how late the oldest is in nanoseconds
            of server time).
        on_fault: told the name of each fault that struck.
    """

    def __init__(
        self,
        exchange: Exchange,
        injector: FaultInjector,
        *,
        connection_id: int,
        on_trades_sent: Callable[[str, int, int], None],
        on_fault: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._injector = injector
        self._connection_id = connection_id
        self._on_trades_sent = on_trades_sent
        self._on_fault = on_fault
        self._subscriptions: dict[str, _Subscription] = {}
        self.has_ever_subscribed = False

    @property
    def is_subscribed(self) -> bool:
        """Whether anything is subscribed to now."""
        return bool(self._subscriptions)

    def greet(self) -> list[str]:
        """Return the frames that open a connection."""
        return [status_frame(self._connection_id)]

    def next_due_ns(self) -> int | None:
        """Return the server time at which a trade has to be sent next."""
        moments = [s.due_ns for s in self._subscriptions.values() if s.due_ns is not None]
        return min(moments, default=None)

    def advance(self, now_ns: int) -> list[str]:
        """Return the frames with all trades that have become due."""
        frames: list[str] = []
        for subscription in self._subscriptions.values():
            if subscription.due_ns is not None and subscription.due_ns <= now_ns:
                frames += self._due_frames(subscription, now_ns)
        return frames

    def heartbeat(self, now_ns: int) -> list[str]:
        """Return a heartbeat, after whatever is due before it."""
        return [*self.advance(now_ns), HEARTBEAT]

    def receive(self, text: str | bytes, now_ns: int) -> list[str]:
        """Return the answer to a request, after whatever is due before it."""
        due = self.advance(now_ns)
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [*due, error_frame("Malformed request", "error", now_ns, None)]
        return [*due, *self._answer(request, now_ns)]

    def _answer(self, request: _Request, now_ns: int) -> list[str]:
        if request.method == "ping":
            return [pong_frame(now_ns, request.req_id)]
        if request.method not in ("subscribe", "unsubscribe"):
            return [error_frame("Event(s) not found", request.method, now_ns, request.req_id)]
        symbols = _symbols_of(request)
        if symbols is None or request.params.get("channel") != "trade":
            return [error_frame("Malformed request", "error", now_ns, request.req_id)]
        act = self._subscribe if request.method == "subscribe" else self._unsubscribe
        return [frame for symbol in symbols for frame in act(symbol, request, now_ns)]

    def _subscribe(self, symbol: str, request: _Request, now_ns: int) -> list[str]:
        market = self._exchange.by_product(symbol)
        problem = None
        if market is None:
            problem = f"Currency pair not supported {symbol}"
        elif symbol in self._subscriptions:
            problem = "Already subscribed"
        if market is None or problem is not None:
            return [error_frame(str(problem), "subscribe", now_ns, request.req_id, symbol=symbol)]
        wants_snapshot = request.params.get("snapshot") is True
        end_id = market.end_id(now_ns)
        self._subscriptions[symbol] = _Subscription(market, end_id)
        self.has_ever_subscribed = True
        frames = [
            subscribed_frame("subscribe", symbol, now_ns, request.req_id, snapshot=wants_snapshot)
        ]
        if wants_snapshot:
            missing = self._injector.faults.missing_of(symbol)
            newest = newest_trades(market.source, end_id, SNAPSHOT_TRADES, missing)
            frames.append(trade_frame(market.listing, "snapshot", newest))
        return frames

    def _unsubscribe(self, symbol: str, request: _Request, now_ns: int) -> list[str]:
        if self._subscriptions.pop(symbol, None) is None:
            # Kraken names the method "subscribe" here.
            error = "Subscription Not Found"
            return [error_frame(error, "subscribe", now_ns, request.req_id, symbol=symbol)]
        return [subscribed_frame("unsubscribe", symbol, now_ns, request.req_id, snapshot=None)]

    def _due_frames(self, subscription: _Subscription, now_ns: int) -> list[str]:
        market = subscription.market
        first_id, end_id = subscription.next_id, market.end_id(now_ns)
        lateness_ns = now_ns - (subscription.due_ns or now_ns)
        missing = self._injector.faults.missing_of(market.product_id)
        frames: list[str] = []
        for start_id in range(first_id, end_id, _TRADES_PER_FRAME):
            stop_id = min(start_id + _TRADES_PER_FRAME, end_id)
            trades = visible_trades(market.source, start_id, stop_id, missing)
            if len(trades) > 0:
                frames += self._with_faults(trade_frame(market.listing, "update", trades))
        subscription.sent_up_to(end_id)
        self._on_trades_sent(market.product_id, end_id - first_id, lateness_ns)
        return frames

    def _with_faults(self, frame: str) -> list[str]:
        faults = self._injector.faults
        if self._injector.strikes(faults.drop_message_probability):
            self._on_fault("drop_message")
            return []
        if self._injector.strikes(faults.duplicate_message_probability):
            self._on_fault("duplicate_message")
            return [frame, frame]
        return [frame]


def _symbols_of(request: _Request) -> list[str] | None:
    symbols = request.params.get("symbol")
    if not isinstance(symbols, list) or not symbols:
        return None
    return symbols if all(isinstance(symbol, str) for symbol in symbols) else None
