"""The text of WebSocket v2 frames, as recorded from Kraken. Pure.

Prices and quantities are bare JSON numbers that keep their trailing zeros, as on Kraken's wire.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kraken_simulator.listings import Listing
from kraken_simulator.trades import NANOSECONDS_PER_SECOND, TradeRow, Trades

HEARTBEAT = '{"channel":"heartbeat"}'


def rfc3339(timestamp_ns: int) -> str:
    """Write a time with microseconds, floored."""
    seconds, nanoseconds = divmod(timestamp_ns, NANOSECONDS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1_000:06d}Z"


def status_frame(connection_id: int) -> str:
    """Return what a connection is greeted with."""
    status = {
        "version": "2.0.10",
        "system": "online",
        "api_version": "v2",
        "connection_id": connection_id,
    }
    return _encode({"channel": "status", "type": "update", "data": [status]})


def trade_frame(listing: Listing, kind: str, trades: Trades) -> str:
    """Return a frame of the trade channel; kind is "snapshot" or "update"."""
    rows = ",".join(_trade(listing, trade) for trade in trades.rows())
    return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'


def subscribed_frame(
    method: str, symbol: str, now_ns: int, req_id: int | None, *, snapshot: bool | None
) -> str:
    """Return the acknowledgement of one symbol."""
    result: dict[str, Any] = {"channel": "trade", "symbol": symbol}
    if snapshot is not None:
        result = {"channel": "trade", "snapshot": snapshot, "symbol": symbol}
    frame: dict[str, Any] = {"method": method, "result": result, "success": True}
    return _encode(frame | _times(now_ns) | _request_id(req_id))


def error_frame(
    error: str, method: str, now_ns: int, req_id: int | None, *, symbol: str | None = None
) -> str:
    """Return a refusal, of one symbol or of a whole request."""
    frame: dict[str, Any] = {"error": error, "method": method, "success": False}
    if symbol is not None:
        frame["symbol"] = symbol
    return _encode(frame | _times(now_ns) | _request_id(req_id))


def pong_frame(now_ns: int, req_id: int | None) -> str:
    """Return the answer to a ping."""
    return _encode({"method": "pong"} | _request_id(req_id) | _times(now_ns))


def _trade(listing: Listing, trade: TradeRow) -> str:
    return (
        f'{{"symbol":"{listing.product_id}","side":"{"buy" if trade.is_buy else "sell"}",'
        f'"price":{trade.price:.{listing.price_decimals}f},"qty":{trade.quantity:.8f},'
        f'"ord_type":"{"market" if trade.is_market else "limit"}","trade_id":{trade.trade_id},'
        f'"timestamp":"{rfc3339(trade.timestamp_ns)}"}}'
    )


def _times(now_ns: int) -> dict[str, Any]:
    return {"time_in": rfc3339(now_ns), "time_out": rfc3339(now_ns)}


def _request_id(req_id: int | None) -> dict[str, Any]:
    return {} if req_id is None else {"req_id": req_id}


def _encode(frame: dict[str, Any]) -> str:
    return msgspec.json.encode(frame).decode()
