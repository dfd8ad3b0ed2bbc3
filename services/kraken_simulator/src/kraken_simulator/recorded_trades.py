"""Recorded trades as a source: read whole from a file, held in memory, served as they were.

Formats, told apart by content: a Kraken REST Trades answer (`.json`), CSV with a header (columns
by name, as in the recordings this project was built on), CSV without one (Kraken's time and sales:
`unix_seconds,price,volume`). Either may be gzipped.
"""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from candlecast.errors import ConfigurationError
from kraken_simulator.trades import NANOSECONDS_PER_SECOND, Trades

_TIME_COLUMNS = ("trade_time_ms", "timestamp_ms")
_QUANTITY_COLUMNS = ("qty", "quantity", "volume")
_SIDE_COLUMNS = ("taker_side", "side")


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTrades:
    """A recording (a `TradeSource`), and the price precision its data needs."""

    rows: Trades
    price_decimals: int

    @property
    def first_trade_id(self) -> int:
        """The id of the first recorded trade."""
        return int(self.rows.trade_id[0])

    def id_at(self, timestamp_ns: int) -> int:
        """Return the id of the first trade at or after a moment."""
        return self.first_trade_id + int(np.searchsorted(self.rows.timestamp_ns, timestamp_ns))

    def trades(self, first_id: int, end_id: int) -> Trades:
        """Return the trades with first_id <= id < end_id, as far as they were recorded."""
        first_row = max(first_id - self.first_trade_id, 0)
        return self.rows.select(slice(first_row, max(end_id - self.first_trade_id, first_row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    trade_id: int
    timestamp_ns: int
    price: str
    quantity: str
    is_buy: bool
    is_market: bool


def load_recorded_trades(path: Path) -> RecordedTrades:
    """Read a recording.

    Raises:
        ConfigurationError: the file cannot be read, or its trades are not in order without holes.
    """
    try:
        rows = _parse(_text_of(path))
        recording = _to_source(rows)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        reason = str(error) or type(error).__name__
        raise ConfigurationError(f"recorded trades {path}: {reason}") from error
    return recording


def _text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _parse(text: str) -> list[_Row]:
    if text.lstrip().startswith("{"):
        return _parse_rest_page(text)
    first_line = text.partition("\n")[0]
    if "price" in first_line:
        return [_parse_named(number, row) for number, row in enumerate(_csv_rows(text), start=1)]
    lines = csv.reader(io.StringIO(text))
    return [
        _Row(
            trade_id=number,
            timestamp_ns=_nanoseconds(seconds, NANOSECONDS_PER_SECOND),
            price=price,
            quantity=quantity,
            is_buy=True,
            is_market=False,
        )
        for number, (seconds, price, quantity, *_) in enumerate(lines, start=1)
    ]


def _csv_rows(text: str) -> "csv.DictReader[str]":
    return csv.DictReader(io.StringIO(text))


def _parse_named(number: int, row: dict[str, str]) -> _Row:
    return _Row(
        trade_id=int(row["trade_id"]) if "trade_id" in row else number,
        timestamp_ns=_nanoseconds(_first_of(row, _TIME_COLUMNS), 1_000_000),
        price=row["price"],
        quantity=_first_of(row, _QUANTITY_COLUMNS),
        is_buy=_first_of(row, _SIDE_COLUMNS).startswith("b"),
        is_market=False,
    )


def _first_of(row: dict[str, str], names: Sequence[str]) -> str:
    for name in names:
        if name in row:
            return row[name]
    raise ValueError(f"no column named {' or '.join(names)}; there are {', '.join(row)}")


def _parse_rest_page(text: str) -> list[_Row]:
    # The time is kept as the text of the answer: a float would lose the last digits.
    decoder = msgspec.json.Decoder(float_hook=str)
    result = decoder.decode(text)["result"]
    (key,) = set(result) - {"last"}
    page = result[key]
    last_ns = int(result["last"])
    # Times are shown as float64, up to 119 ns off; only `last` is exact, and no row is later.
    return [
        _Row(
            trade_id=row[6] if len(row) > 6 else number,
            timestamp_ns=min(_nanoseconds(str(row[2]), NANOSECONDS_PER_SECOND), last_ns)
            if number < len(page)
            else last_ns,
            price=row[0],
            quantity=row[1],
            is_buy=row[3] == "b",
            is_market=row[4] == "m",
        )
        for number, row in enumerate(page, start=1)
    ]


def _nanoseconds(text: str, nanoseconds_per_unit: int) -> int:
    return int(Decimal(text) * nanoseconds_per_unit)


def _to_source(rows: Sequence[_Row]) -> RecordedTrades:
    if not rows:
        raise ValueError("holds no trades")
    trades = Trades(
        trade_id=np.array([row.trade_id for row in rows], dtype=np.int64),
        timestamp_ns=np.array([row.timestamp_ns for row in rows], dtype=np.int64),
        price=np.array([float(row.price) for row in rows], dtype=np.float64),
        quantity=np.array([float(row.quantity) for row in rows], dtype=np.float64),
        is_buy=np.array([row.is_buy for row in rows], dtype=np.bool_),
        is_market=np.array([row.is_market for row in rows], dtype=np.bool_),
    )
    holes = np.flatnonzero(np.diff(trades.trade_id) != 1)
    if len(holes) > 0:
        raise ValueError(f"trade ids are not contiguous after {trades.trade_id[holes[0]]}")
    backwards = np.flatnonzero(np.diff(trades.timestamp_ns) < 0)
    if len(backwards) > 0:
        raise ValueError(f"time goes backwards after trade {trades.trade_id[backwards[0]]}")
    return RecordedTrades(trades, max(_decimals_needed(row.price) for row in rows))


def _decimals_needed(price: str) -> int:
    return len(price.partition(".")[2].rstrip("0"))
