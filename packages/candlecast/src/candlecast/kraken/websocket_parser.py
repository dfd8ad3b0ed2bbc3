"""WebSocket v2 frames as typed values: pure, and raising nothing but InvalidMessageError.

Facts (reference "kraken"): a frame may carry trades of several symbols, so each element is filed
under its own symbol; acknowledgements come one per symbol; a pong's `time_out` is the exchange's
clock; prices are bare JSON numbers and may differ from REST in trailing zeros only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from candlecast.errors import InvalidMessageError
from candlecast.kraken.messages import (
    WebSocketFrame,
    WebSocketStatus,
    WebSocketSubscription,
    WebSocketTrade,
)
from candlecast.kraken.timestamps import milliseconds_from_rfc3339
from candlecast.market.trade_batch import TradeBatch

_LARGEST_ID = 2**63 - 1

_frame_decoder = msgspec.json.Decoder(WebSocketFrame)
_trades_decoder = msgspec.json.Decoder(list[WebSocketTrade])
_status_decoder = msgspec.json.Decoder(list[WebSocketStatus])
_subscription_decoder = msgspec.json.Decoder(WebSocketSubscription)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class TradeUpdate:
    """Trades that arrived together.

    Attributes:
        batches: one per product, in the order in which the products first appear.
        is_snapshot: whether these are the latest 50 trades that follow a subscription.
        received_monotonic_seconds: when the message was taken off the socket.
    """

    batches: tuple[TradeBatch, ...]
    is_snapshot: bool
    received_monotonic_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The socket is alive; it says nothing about the trade feed."""


@dataclass(frozen=True, slots=True)
class Status:
    """The trading engine's state: online, maintenance, cancel_only or post_only."""

    system: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, with the exchange's clock."""

    server_time_ms: int
    request_id: int | None


@dataclass(frozen=True, slots=True)
class SubscribeAck:
    """What became of a subscription.

    Attributes:
        symbol: the one it is about; None if the whole request was refused.
        ok: whether trades will come.
        error: why not.
    """

    symbol: str | None
    ok: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OtherFrame:
    """A frame of no interest here (another channel, an unsubscription, ...)."""

    name: str


Frame = TradeUpdate | Heartbeat | Status | Pong | SubscribeAck | OtherFrame


def parse_frame(message: bytes, *, received_monotonic_seconds: float = 0.0) -> Frame:
    """Parse one WebSocket message.

    Raises:
        InvalidMessageError: if it is not a frame of Kraken's, or its part for us is malformed.
    """
    frame = _decode(_frame_decoder, message)
    if frame.channel == "trade":
        return _trade_update(frame, received_monotonic_seconds)
    if frame.channel == "heartbeat":
        return Heartbeat()
    if frame.channel == "status":
        return _status(frame)
    if frame.method == "pong":
        return _pong(frame)
    if frame.method in ("subscribe", "error"):
        return _subscribe_ack(frame)
    return OtherFrame(frame.channel or frame.method)


def _decode(decoder: msgspec.json.Decoder[Value], text: bytes | msgspec.Raw) -> Value:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessageError(f"not a Kraken frame: {error}; {bytes(text)[:80]!r}") from error


def _data(frame: WebSocketFrame) -> msgspec.Raw:
    if frame.data is msgspec.UNSET:
        raise InvalidMessageError(f"a {frame.channel} frame without data")
    return frame.data


def _trade_update(frame: WebSocketFrame, received_monotonic_seconds: float) -> TradeUpdate:
    if frame.type not in ("snapshot", "update"):
        raise InvalidMessageError(f"a trade frame of unknown type {frame.type[:40]!r}")
    trades = _decode(_trades_decoder, _data(frame))
    by_symbol: dict[str, list[WebSocketTrade]] = {}
    for trade in trades:
        by_symbol.setdefault(trade.symbol, []).append(trade)
    return TradeUpdate(
        tuple(_batch(symbol, group) for symbol, group in by_symbol.items()),
        frame.type == "snapshot",
        received_monotonic_seconds,
    )


def _batch(symbol: str, trades: Sequence[WebSocketTrade]) -> TradeBatch:
    trade_ids = [trade.trade_id for trade in trades]
    if min(trade_ids) < 0 or max(trade_ids) > _LARGEST_ID:
        raise InvalidMessageError("a trade id outside 0 ... 2^63 - 1")
    # A plain loop: most frames carry one or two trades, where numpy's calls cost more.
    if not all(0.0 < trade.price < math.inf and 0.0 <= trade.qty < math.inf for trade in trades):
        raise InvalidMessageError(f"{symbol}: a price or quantity no trade can have")
    return TradeBatch(
        product_id=symbol,
        trade_id=np.array(trade_ids, dtype=np.int64),
        timestamp_ms=np.array(
            [milliseconds_from_rfc3339(trade.timestamp) for trade in trades], dtype=np.int64
        ),
        price=np.array([trade.price for trade in trades], dtype=np.float64),
        quantity=np.array([trade.qty for trade in trades], dtype=np.float64),
        is_buy=np.array([trade.side == "buy" for trade in trades], dtype=np.bool_),
    )


def _status(frame: WebSocketFrame) -> Status:
    elements = _decode(_status_decoder, _data(frame))
    if not elements:
        raise InvalidMessageError("a status frame without a status")
    return Status(elements[-1].system)


def _pong(frame: WebSocketFrame) -> Pong:
    if frame.time_out is None:
        raise InvalidMessageError("a pong without time_out")
    return Pong(milliseconds_from_rfc3339(frame.time_out), frame.req_id)


def _subscribe_ack(frame: WebSocketFrame) -> SubscribeAck | OtherFrame:
    # An error carries the symbol beside it, a success inside its result.
    if frame.success is not True:
        return SubscribeAck(frame.symbol, ok=False, error=frame.error or "no reason given")
    if frame.result is msgspec.UNSET:
        return SubscribeAck(frame.symbol, ok=True)
    subscription = _decode(_subscription_decoder, frame.result)
    if subscription.channel not in ("trade", ""):
        return OtherFrame(f"subscription to {subscription.channel}")
    return SubscribeAck(subscription.symbol, ok=True)
