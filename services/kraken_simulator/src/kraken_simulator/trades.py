"""The simulator's own columns of trades, and the port every source of trades serves.

They carry what the exchange knows and the project's `TradeBatch` does not: nanoseconds (Kraken's
cursor) and the taker's order type.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

Int64Column = npt.NDArray[np.int64]
Float64Column = npt.NDArray[np.float64]
BoolColumn = npt.NDArray[np.bool_]


class TradeRow(NamedTuple):
    """One trade; see `Trades` for what the fields are."""

    trade_id: int
    timestamp_ns: int
    price: float
    quantity: float
    is_buy: bool
    is_market: bool


NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trades:
    """Trades of one product in the exchange's order, by trade id.

    Attributes:
        trade_id: counted without holes.
        timestamp_ns: UTC nanoseconds; never decreasing, often equal.
        price: in the quote currency.
        quantity: in the base currency.
        is_buy: whether the taker bought.
        is_market: whether the taker's order was a market order (else a limit order).
    """

    trade_id: Int64Column
    timestamp_ns: Int64Column
    price: Float64Column
    quantity: Float64Column
    is_buy: BoolColumn
    is_market: BoolColumn

    @classmethod
    def empty(cls) -> Self:
        """Build columns without rows."""
        integers = np.empty(0, dtype=np.int64)
        numbers = np.empty(0, dtype=np.float64)
        flags = np.empty(0, dtype=np.bool_)
        return cls(
            trade_id=integers,
            timestamp_ns=integers,
            price=numbers,
            quantity=numbers,
            is_buy=flags,
            is_market=flags,
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Trades"]) -> Self:
        """Join parts, in the order given."""
        if not parts:
            return cls.empty()
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.trade_id)

    def rows(self) -> Iterator[TradeRow]:
        """Yield the trades one by one, as plain Python values."""
        columns = (getattr(self, field.name).tolist() for field in fields(self))
        return map(TradeRow._make, zip(*columns, strict=True))

    def select(self, rows: slice | BoolColumn) -> Self:
        """Return the chosen rows: a slice (no copy) or a mask."""
        columns: dict[str, Any] = {
            field.name: getattr(self, field.name)[rows] for field in fields(self)
        }
        return type(self)(**columns)


class TradeSource(Protocol):
    """All trades of one product, past and future, found by id or by time.

    Ids have no holes, so a range of ids says exactly which trades are meant, and the distance of
    two ids says how many they are.
    """

    @property
    def first_trade_id(self) -> int:
        """The id of the first trade there ever was."""

    def id_at(self, timestamp_ns: int) -> int:
        """Return the id of the first trade at or after a moment.

        After the last trade of all, that is the id the next trade would have.
        """

    def trades(self, first_id: int, end_id: int) -> Trades:
        """Return the trades with first_id <= id < end_id, as far as they exist."""
