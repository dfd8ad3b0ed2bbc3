"""Kraken's public REST answers as text: parameters and server time in, body out. Pure.

Errors are answers too (HTTP 200, a list of codes); they are raised here as `RestError` and become
text in `error_body`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from candlecast.market.candle import Candle
from kraken_simulator.exchange import Exchange, Market, newest_trades, oldest_trades
from kraken_simulator.faults import Faults
from kraken_simulator.listings import Listing
from kraken_simulator.plain_candles import candles_of_range
from kraken_simulator.trades import (
    NANOSECONDS_PER_MILLISECOND,
    NANOSECONDS_PER_SECOND,
    TradeRow,
    Trades,
)

LARGEST_PAGE = 1_000
COMMITTED_CANDLES = 720
INTERVALS_MINUTES = (1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600)

# A whole number this large cannot be seconds; Kraken's cursors have 19 digits.
_SMALLEST_NANOSECONDS = 10**15
_MINUTE_MS = 60_000

Parameters = Mapping[str, str]


class RestError(Exception):
    """An answer of Kraken's that is an error code."""


def error_body(code: str) -> str:
    """Return the body of an answer that is an error."""
    return msgspec.json.encode({"error": [code]}).decode()


def result_body(result: object) -> str:
    """Return the body of a plain answer."""
    return msgspec.json.encode({"error": [], "result": result}).decode()


def server_time_body(now_ns: int) -> str:
    """Answer /0/public/Time."""
    now = datetime.fromtimestamp(now_ns // NANOSECONDS_PER_SECOND, tz=UTC)
    return result_body(
        {"unixtime": int(now.timestamp()), "rfc1123": f"{now:%a, %d %b %y %H:%M:%S} +0000"}
    )


def system_status_body(now_ns: int) -> str:
    """Answer /0/public/SystemStatus."""
    now = datetime.fromtimestamp(now_ns // NANOSECONDS_PER_SECOND, tz=UTC)
    return result_body({"status": "online", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def asset_pairs_body(exchange: Exchange, parameters: Parameters) -> str:
    """Answer /0/public/AssetPairs, whole or for the pairs asked for (comma separated)."""
    entries = exchange.asset_pairs()
    asked = parameters.get("pair")
    if asked is None:
        return result_body(entries)
    markets = [_market_named(exchange, name) for name in asked.split(",")]
    return result_body({m.listing.rest_key: m.listing.asset_pair() for m in markets})


def trades_body(exchange: Exchange, parameters: Parameters, now_ns: int, faults: Faults) -> str:
    """Answer /0/public/Trades: the oldest trades from `since` on, or the newest without it."""
    market = _requested_market(exchange, parameters)
    count = _count(parameters)
    since_text = parameters.get("since")
    missing = faults.missing_of(market.product_id)
    end_id = market.end_id(now_ns - faults.rest_lag_ms * NANOSECONDS_PER_MILLISECOND)
    if since_text is None:
        page = newest_trades(market.source, end_id, count, missing)
        return _trades_page(market.listing, page, empty_last=str(now_ns))
    first_id = market.source.id_at(since_nanoseconds(since_text))
    # Half a page at most, or a page of repeated rows only would never get anywhere.
    repeated = min(faults.page_edge_duplicates, count // 2)
    before = newest_trades(market.source, min(first_id, end_id), repeated, missing)
    after = oldest_trades(market.source, first_id, end_id, count - len(before), missing)
    # What comes before is an addition to a page, never a page of its own: the cursor would go back.
    page = Trades.concatenate([before, after]) if len(after) > 0 else after
    return _trades_page(market.listing, page, empty_last=since_text)


def ohlc_body(exchange: Exchange, parameters: Parameters, now_ns: int, faults: Faults) -> str:
    """Answer /0/public/OHLC: up to 720 committed candles and the running one, empty ones too."""
    market = _requested_market(exchange, parameters)
    window_ms = _interval_minutes(parameters) * _MINUTE_MS
    now_ms = now_ns // NANOSECONDS_PER_MILLISECOND - faults.rest_lag_ms
    running_ms = now_ms - now_ms % window_ms
    since_ms = _since_seconds(parameters) * 1_000
    first_ms = max(running_ms - COMMITTED_CANDLES * window_ms, _opening_ms(market, window_ms))
    # Like Kraken, what was asked for only ever narrows the newest 720.
    start_ms = max(first_ms, since_ms - since_ms % window_ms + window_ms)
    candles = list(candles_of_range(_until(market, now_ms), start_ms, running_ms, window_ms))
    running = list(
        candles_of_range(_until(market, now_ms), running_ms, running_ms + window_ms, window_ms)
    )
    rows = [_ohlc_row(market.listing, candle) for candle in [*candles, *running]]
    return result_body({market.listing.rest_key: rows, "last": (running_ms - window_ms) // 1_000})


def since_nanoseconds(text: str) -> int:
    """Read `since`: 19-digit nanoseconds, or seconds, whole or fractional."""
    try:
        value = Decimal(text)
        if not value.is_finite() or value < 0:
            raise RestError("EGeneral:Invalid arguments:since")
    except InvalidOperation as error:
        raise RestError("EGeneral:Invalid arguments:since") from error
    if "." not in text and value >= _SMALLEST_NANOSECONDS:
        return min(int(value), 2**62)
    return min(int(value * NANOSECONDS_PER_SECOND), 2**62)


def trade_row(listing: Listing, trade: TradeRow) -> str:
    """Return one row of a Trades page; the time is the float64 nearest to the nanoseconds."""
    # Dividing two whole numbers in Python rounds once, correctly; 1e9 would round twice.
    seconds = trade.timestamp_ns / NANOSECONDS_PER_SECOND
    return (
        f'["{trade.price:.{listing.rest_price_decimals}f}","{trade.quantity:.8f}",{seconds!r},'
        f'"{"b" if trade.is_buy else "s"}","{"m" if trade.is_market else "l"}","",'
        f"{trade.trade_id}]"
    )


def _trades_page(listing: Listing, page: Trades, *, empty_last: str) -> str:
    last = str(page.timestamp_ns[-1]) if len(page) > 0 else empty_last
    rows = ",".join(trade_row(listing, trade) for trade in page.rows())
    last_json = msgspec.json.encode(last).decode()
    return f'{{"error":[],"result":{{"{listing.rest_key}":[{rows}],"last":{last_json}}}}}'


def _ohlc_row(listing: Listing, candle: Candle) -> list[object]:
    decimals = listing.price_decimals
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        candle.start_ms // 1_000,
        *(f"{price:.{decimals}f}" for price in prices),
        f"{candle.vwap:.{decimals}f}" if candle.trade_count > 0 else "0.0",
        f"{candle.volume:.8f}",
        candle.trade_count,
    ]


class _SourceUntil:
    """A source that ends at a moment: the trades of the future are not there yet."""

    def __init__(self, market: Market, now_ms: int) -> None:
        self._source = market.source
        self._end_id = market.end_id(now_ms * NANOSECONDS_PER_MILLISECOND)
        self.first_trade_id = market.source.first_trade_id

    def id_at(self, timestamp_ns: int) -> int:
        return min(self._source.id_at(timestamp_ns), self._end_id)

    def trades(self, first_id: int, end_id: int) -> Trades:
        return self._source.trades(first_id, min(end_id, self._end_id))


def _until(market: Market, now_ms: int) -> Market:
    return Market(market.listing, _SourceUntil(market, now_ms))


def _opening_ms(market: Market, window_ms: int) -> int:
    first_id = market.source.first_trade_id
    first = market.source.trades(first_id, first_id + 1)
    opening_ms = int(first.timestamp_ns[0]) // NANOSECONDS_PER_MILLISECOND
    return opening_ms - opening_ms % window_ms


def _requested_market(exchange: Exchange, parameters: Parameters) -> Market:
    name = parameters.get("pair")
    if name is None:
        raise RestError("EGeneral:Invalid arguments")
    return _market_named(exchange, name)


def _market_named(exchange: Exchange, name: str) -> Market:
    market = exchange.by_rest_name(name)
    if market is None:
        raise RestError("EQuery:Unknown asset pair")
    return market


def _count(parameters: Parameters) -> int:
    count = _whole_number(parameters, "count", LARGEST_PAGE)
    if not 1 <= count <= LARGEST_PAGE:
        raise RestError("EGeneral:Invalid arguments:count")
    return count


def _interval_minutes(parameters: Parameters) -> int:
    interval = _whole_number(parameters, "interval", 1)
    if interval not in INTERVALS_MINUTES:
        raise RestError("EGeneral:Invalid arguments:interval")
    return interval


def _since_seconds(parameters: Parameters) -> int:
    return since_nanoseconds(parameters.get("since", "0")) // NANOSECONDS_PER_SECOND


def _whole_number(parameters: Parameters, name: str, default: int) -> int:
    try:
        return int(parameters.get(name, default))
    except ValueError as error:
        raise RestError(f"EGeneral:Invalid arguments:{name}") from error
