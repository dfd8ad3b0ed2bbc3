"""REST answers as our own values: pure, and raising nothing but InvalidMessageError.

Facts (recorded, reference "kraken"): the result of Trades has one key besides `last`, the pair's
internal name, which is not the name asked for; `last` is a string, the exact nanosecond of the
page's last row, while a row's own time is a float64 and may be 119 ns off.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from candlecast.errors import InvalidMessageError
from candlecast.kraken.messages import (
    AssetPair,
    RestAnswer,
    RestCandle,
    RestTime,
    RestTrade,
    SystemStatus,
)
from candlecast.kraken.timestamps import nanoseconds_from_seconds_text
from candlecast.market.trade_batch import Int64Column, TradeBatch

CURSOR_DIGITS = 19
ROW_TIME_UNCERTAINTY_NS = 1_000
"""A row's time is a float64 of seconds: up to 119 ns off until the year 2038, 238 ns after."""

_LAST = "last"
_LARGEST_ID = 2**63 - 1

_answer_decoder = msgspec.json.Decoder(RestAnswer)
_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_last_decoder = msgspec.json.Decoder(str | int)
_trades_decoder = msgspec.json.Decoder(list[RestTrade], strict=False)
_candles_decoder = msgspec.json.Decoder(list[RestCandle], strict=False)
_asset_pairs_decoder = msgspec.json.Decoder(dict[str, AssetPair])
_time_decoder = msgspec.json.Decoder(RestTime)
_status_decoder = msgspec.json.Decoder(SystemStatus)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class TradesPage:
    """One page of Trades, rows as the exchange orders them.

    Attributes:
        batch: the trades; ids are 0 where the exchange gives none.
        row_ns: each row's time in nanoseconds, as written (up to 119 ns off the real one).
        last_ns: the cursor for the next page, at or before the page's last trade; 0 for an empty
            page without one.
        rest_key: the pair's internal name as the answer has it.
    """

    batch: TradeBatch
    row_ns: Int64Column
    last_ns: int
    rest_key: str

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCandle:
    """A candle as the exchange computed it; without buy volume and trade ids."""

    product_id: str
    start_ms: int
    open: float
    high: float
    low: float
    close: float
    vwap: float
    volume: float
    trade_count: int


@dataclass(frozen=True, slots=True)
class OhlcPage:
    """The exchange's own candles, minutes without trades included.

    Attributes:
        candles: the closed ones, oldest first (at most 720, the newest).
        running: the one that is still open, if the answer has it.
    """

    candles: list[ExchangeCandle]
    running: ExchangeCandle | None


def parse_answer(body: bytes) -> RestAnswer:
    """Decode the envelope that every answer has.

    Raises:
        InvalidMessageError: if the body is not such an answer.
    """
    return _decode(_answer_decoder, body, "answer")


def parse_trades(result: bytes, product_id: str) -> TradesPage:
    """Parse the `result` of Trades.

    Raises:
        InvalidMessageError: if it is not one.
    """
    rest_key, rows_text, last_text = _split_by_last(result)
    rows = _decode(_trades_decoder, rows_text, "trades")
    row_ns = np.array(
        [nanoseconds_from_seconds_text(bytes(row.time)) for row in rows], dtype=np.int64
    )
    batch = TradeBatch(
        product_id=product_id,
        trade_id=_id_column([row.trade_id for row in rows]),
        timestamp_ms=row_ns // 1_000_000,
        price=np.array([row.price for row in rows], dtype=np.float64),
        quantity=np.array([row.quantity for row in rows], dtype=np.float64),
        is_buy=np.array([row.side == "b" for row in rows], dtype=np.bool_),
    )
    _require_plausible(batch)
    return TradesPage(batch, row_ns, _cursor_ns(last_text, row_ns), rest_key)


def parse_ohlc(result: bytes, product_id: str) -> OhlcPage:
    """Parse the `result` of OHLC; candles after `last` are still running.

    Raises:
        InvalidMessageError: if it is not one.
    """
    _, rows_text, last_text = _split_by_last(result)
    last_committed_seconds = _integer(last_text)
    if last_committed_seconds is None:
        raise InvalidMessageError("OHLC without a usable `last`")
    rows = _decode(_candles_decoder, rows_text, "candles")
    closed = [_candle(row, product_id) for row in rows if row.time <= last_committed_seconds]
    running = [_candle(row, product_id) for row in rows if row.time > last_committed_seconds]
    return OhlcPage(closed, running[0] if running else None)


def parse_asset_pairs(result: bytes) -> dict[str, AssetPair]:
    """Parse the `result` of AssetPairs: entries by the pair's internal name.

    Raises:
        InvalidMessageError: if it is not one.
    """
    return _decode(_asset_pairs_decoder, result, "asset pairs")


def parse_time(result: bytes) -> int:
    """Parse the `result` of Time: the server's time in milliseconds (Kraken gives whole seconds).

    Raises:
        InvalidMessageError: if it is not one.
    """
    return _decode(_time_decoder, result, "time").unixtime * 1_000


def parse_system_status(result: bytes) -> SystemStatus:
    """Parse the `result` of SystemStatus.

    Raises:
        InvalidMessageError: if it is not one.
    """
    return _decode(_status_decoder, result, "system status")


def _decode(decoder: msgspec.json.Decoder[Value], text: bytes, what: str) -> Value:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessageError(f"not Kraken's {what}: {error}; {text[:80]!r}") from error


def _split_by_last(result: bytes) -> tuple[str, bytes, bytes]:
    """Return the pair's key, its rows and `last` (b"" if missing), the latter two undecoded."""
    members = _decode(_members_decoder, result, "result by pair")
    last = bytes(members.pop(_LAST, b""))
    if len(members) != 1:
        raise InvalidMessageError(f"expected one pair beside `last`, found {sorted(members)[:5]}")
    ((rest_key, rows),) = members.items()
    return rest_key, bytes(rows), last


def _integer(last_text: bytes) -> int | None:
    """Read `last`, an integer in a string (some clients have seen a bare one)."""
    try:
        value = _last_decoder.decode(last_text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = str(value)
    # isdigit() alone lets superscripts and other scripts' digits pass.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= CURSOR_DIGITS else None


def _cursor_ns(last_text: bytes, row_ns: Int64Column) -> int:
    """Return `last`, unless it is missing, truncated, or not the last row's own time.

    All of these have been seen in the field, and each makes a collector read the same page for
    ever or jump over trades; the row's time less its uncertainty is always right.
    """
    last_ns = _integer(last_text)
    if len(row_ns) == 0:
        return 0 if last_ns is None else last_ns
    last_row_ns = int(row_ns[-1])
    if last_ns is not None and abs(last_ns - last_row_ns) <= ROW_TIME_UNCERTAINTY_NS:
        return last_ns
    return max(0, last_row_ns - ROW_TIME_UNCERTAINTY_NS)


def _id_column(trade_ids: list[int]) -> Int64Column:
    if trade_ids and (min(trade_ids) < 0 or max(trade_ids) > _LARGEST_ID):
        raise InvalidMessageError("a trade id outside 0 ... 2^63 - 1")
    return np.array(trade_ids, dtype=np.int64)


def _require_plausible(batch: TradeBatch) -> None:
    prices_are_fine = np.isfinite(batch.price).all() and (batch.price > 0.0).all()
    # Kraken's oldest trades include quantities that round to 0 at 8 decimals.
    quantities_are_fine = np.isfinite(batch.quantity).all() and (batch.quantity >= 0.0).all()
    if not (prices_are_fine and quantities_are_fine):
        raise InvalidMessageError(f"{batch.product_id}: a price or quantity no trade can have")


def _candle(row: RestCandle, product_id: str) -> ExchangeCandle:
    numbers = (row.open, row.high, row.low, row.close, row.vwap, row.volume)
    if not np.isfinite(numbers).all() or row.time < 0 or row.count < 0:
        raise InvalidMessageError(f"{product_id}: numbers no candle can have: {row}")
    return ExchangeCandle(
        product_id=product_id,
        start_ms=row.time * 1_000,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        vwap=row.vwap,
        volume=row.volume,
        trade_count=row.count,
    )
