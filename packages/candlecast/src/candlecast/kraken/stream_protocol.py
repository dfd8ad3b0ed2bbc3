"""The conversation on one WebSocket v2 connection, without a socket and without a clock.

Responsible for: what to send (subscription, pings), what received messages mean, and when a
connection has to be given up. The shell around it (`websocket`) moves bytes and tells the time.

A heartbeat or pong proves that the socket lives, not that trades are complete: that is proven by
trade ids, outside. A message that cannot be read is reported and not fatal for the same reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from candlecast.errors import ConfigurationError, InvalidMessageError, TransientError
from candlecast.kraken.websocket_parser import (
    Pong,
    Status,
    SubscribeAck,
    TradeUpdate,
    parse_frame,
)

ONLINE = "online"

_SUBSCRIBE_REQUEST_ID = 1
_FIRST_PING_REQUEST_ID = 2


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; trades follow once products are subscribed."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Trades of a product come from now on, beginning with a snapshot of the latest ones."""

    product_id: str


@dataclass(frozen=True, slots=True)
class SubscriptionRejected:
    """A product cannot be subscribed; the others go on.

    Attributes:
        product_id: the one refused.
        error: what the exchange said, with the product's name.
    """

    product_id: str
    error: ConfigurationError


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The exchange's clock.

    Attributes:
        server_time_ms: when it answered a ping; every trade it sent on this connection before that
            has been received.
        received_monotonic_seconds: when the answer was taken off the socket.
    """

    server_time_ms: int
    received_monotonic_seconds: float


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The trading engine's state: online, maintenance, cancel_only or post_only."""

    system: str


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that is not understood; trades in it show later as missing ids."""

    error: InvalidMessageError
    message: bytes


StreamEvent = (
    Connected
    | Subscribed
    | SubscriptionRejected
    | TradeUpdate
    | ServerTime
    | StatusChanged
    | UnreadableMessage
)


class StreamProtocol:
    """One connection's state; times are monotonic seconds, handed in."""

    def __init__(
        self,
        product_ids: Sequence[str],
        *,
        ping_interval_seconds: float = 1.0,
        silence_timeout_seconds: float = 10.0,
        subscribe_timeout_seconds: float = 10.0,
    ) -> None:
        self._product_ids = tuple(dict.fromkeys(product_ids))
        self._ping_interval_seconds = ping_interval_seconds
        self._silence_timeout_seconds = silence_timeout_seconds
        self._subscribe_timeout_seconds = subscribe_timeout_seconds
        self._unacknowledged = set(self._product_ids)
        self._rejected: set[str] = set()
        self._next_request_id = _FIRST_PING_REQUEST_ID
        self._system = ONLINE
        self._next_ping_at = 0.0
        self._silent_at = 0.0
        self._subscribed_by = 0.0

    @property
    def system(self) -> str:
        """The trading engine's state as last pushed."""
        return self._system

    @property
    def next_deadline(self) -> float:
        """When `check` has to be called at the latest."""
        deadlines = [self._next_ping_at, self._silent_at]
        if self._unacknowledged:
            deadlines.append(self._subscribed_by)
        return min(deadlines)

    def open(self, now: float) -> list[bytes]:
        """Begin: return what to send first."""
        self._silent_at = now + self._silence_timeout_seconds
        self._subscribed_by = now + self._subscribe_timeout_seconds
        request = {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": self._product_ids, "snapshot": True},
            "req_id": _SUBSCRIBE_REQUEST_ID,
        }
        return [msgspec.json.encode(request), *self.check(now)]

    def check(self, now: float) -> list[bytes]:
        """Return what is due to be sent.

        Raises:
            TransientError: if nothing was received, or a subscription not answered, for too long.
        """
        if now >= self._silent_at:
            raise TransientError(f"no message for {self._silence_timeout_seconds:g} s")
        if self._unacknowledged and now >= self._subscribed_by:
            names = ", ".join(sorted(self._unacknowledged))
            raise TransientError(
                f"no answer to subscribing {names} within {self._subscribe_timeout_seconds:g} s"
            )
        if now < self._next_ping_at:
            return []
        self._next_ping_at = now + self._ping_interval_seconds
        request_id = self._next_request_id
        self._next_request_id += 1
        return [msgspec.json.encode({"method": "ping", "req_id": request_id})]

    def excuse(self, away_seconds: float) -> None:
        """Not count time in which nobody listened as silence of the exchange."""
        self._silent_at += away_seconds
        self._subscribed_by += away_seconds

    def receive(self, message: bytes, now: float) -> list[StreamEvent]:
        """Return what a message means.

        Raises:
            ConfigurationError: if no product is left, or the request as a whole was refused.
            TransientError: if a subscription was refused for a reason that may pass.
        """
        self._silent_at = now + self._silence_timeout_seconds
        try:
            frame = parse_frame(message, received_monotonic_seconds=now)
        except InvalidMessageError as error:
            return [UnreadableMessage(error, message)]
        match frame:
            case TradeUpdate():
                return [frame]
            case Pong():
                return [ServerTime(frame.server_time_ms, now)]
            case SubscribeAck():
                return self._acknowledged(frame)
            case Status():
                return self._status(frame)
            case _:
                return []

    def _status(self, frame: Status) -> list[StreamEvent]:
        self._system = frame.system
        return [StatusChanged(frame.system)]

    def _acknowledged(self, ack: SubscribeAck) -> list[StreamEvent]:
        error_text = ack.error or ""
        if ack.symbol is None:
            if ack.ok:
                return []
            raise ConfigurationError(
                f"Kraken refused to subscribe {', '.join(self._product_ids)}: {error_text}"
            )
        is_subscribed = ack.ok or error_text.startswith("Already subscribed")
        if is_subscribed:
            is_news = ack.symbol in self._unacknowledged
            self._unacknowledged.discard(ack.symbol)
            return [Subscribed(ack.symbol)] if is_news else []
        if "not supported" not in error_text:
            raise TransientError(f"subscribing {ack.symbol} was refused: {error_text}")
        return self._reject(ack.symbol, error_text)

    def _reject(self, product_id: str, error_text: str) -> list[StreamEvent]:
        self._unacknowledged.discard(product_id)
        self._rejected.add(product_id)
        error = ConfigurationError(f"product {product_id!r}: Kraken says {error_text!r}")
        if self._rejected.issuperset(self._product_ids):
            raise error
        return [SubscriptionRejected(product_id, error)]
