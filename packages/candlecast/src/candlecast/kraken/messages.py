"""The shapes of Kraken's REST answers and WebSocket v2 frames, as they are on the wire.

They never leave this package: `rest_parser` and `websocket_parser` turn them into our own values.
Only fields that are used are named; msgspec skips the rest. Shapes as recorded, see
tests/data/README.md; numbers that REST writes as strings are read by msgspec's lax mode.
"""

from typing import Literal

import msgspec


class RestAnswer(msgspec.Struct):
    """Every REST answer; with an error there is no result, and the HTTP status is 200 all the same.

    Attributes:
        error: texts like "EAPI:Rate limit exceeded"; a first letter W is a warning only.
        result: the endpoint's own part, not yet decoded.
    """

    error: list[str]
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class RestTrade(msgspec.Struct, array_like=True):
    """One row of Trades.

    Attributes:
        price: a decimal in a string.
        quantity: a decimal in a string.
        time: seconds; kept as written because a float cannot hold nanoseconds.
        side: of the taker.
        order_type: of the taker.
        miscellaneous: unused by Kraken.
        trade_id: 0 where the exchange does not give it; rows recorded before 2022 have none.
    """

    price: float
    quantity: float
    time: msgspec.Raw
    side: Literal["b", "s"]
    order_type: str
    miscellaneous: str
    trade_id: int = 0


class RestCandle(msgspec.Struct, array_like=True):
    """One row of OHLC; everything but time and count is a decimal in a string."""

    time: int
    open: float
    high: float
    low: float
    close: float
    vwap: float
    volume: float
    count: int


class AssetPair(msgspec.Struct):
    """One entry of AssetPairs; dark pools have no `wsname`."""

    altname: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    base: str = ""
    quote: str = ""
    ordermin: str = ""
    status: str = "online"


class RestTime(msgspec.Struct):
    """The answer of Time."""

    unixtime: int


class SystemStatus(msgspec.Struct, frozen=True):
    """The answer of SystemStatus: online, maintenance, cancel_only or post_only."""

    status: str
    timestamp: str = ""


class WebSocketTrade(msgspec.Struct):
    """One element of a trade frame; each has a symbol of its own."""

    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: int
    timestamp: str


class WebSocketStatus(msgspec.Struct):
    """One element of a status frame."""

    system: str
    version: str = ""


class WebSocketSubscription(msgspec.Struct):
    """The `result` of a subscribe acknowledgement."""

    channel: str = ""
    symbol: str | None = None
    warnings: list[str] | None = None


class WebSocketFrame(msgspec.Struct):
    """Any frame: data frames name a `channel`, answers to requests a `method`."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    method: str = ""
    success: bool | None = None
    error: str | None = None
    symbol: str | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    req_id: int | None = None
    time_out: str | None = None
