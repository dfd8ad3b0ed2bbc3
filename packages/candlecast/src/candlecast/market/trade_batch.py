"""Trades of one product, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Int64Column = npt.NDArray[np.int64]
Float64Column = npt.NDArray[np.float64]
BoolColumn = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TradeBatch:
    """Trades of one product in the exchange's order (by trade id); never re-sorted by time.

    Attributes:
        product_id: for instance "BTC/USD".
        trade_id: the exchange's number of the trade, counted without holes; 0 where it is unknown.
        timestamp_ms: UTC milliseconds, floored.
        price: in the quote currency.
        quantity: in the base currency.
        is_buy: whether the taker bought.
    """

    product_id: str
    trade_id: Int64Column
    timestamp_ms: Int64Column
    price: Float64Column
    quantity: Float64Column
    is_buy: BoolColumn

    @classmethod
    def from_columns(
        cls,
        product_id: str,
        *,
        trade_id: Sequence[int],
        timestamp_ms: Sequence[int],
        price: Sequence[float],
        quantity: Sequence[float],
        is_buy: Sequence[bool],
    ) -> Self:
        """Build a batch from plain sequences of equal length."""
        return cls(
            product_id=product_id,
            trade_id=np.asarray(trade_id, dtype=np.int64),
            timestamp_ms=np.asarray(timestamp_ms, dtype=np.int64),
            price=np.asarray(price, dtype=np.float64),
            quantity=np.asarray(quantity, dtype=np.float64),
            is_buy=np.asarray(is_buy, dtype=np.bool_),
        )

    @classmethod
    def empty(cls, product_id: str) -> Self:
        """Build a batch without trades."""
        return cls.from_columns(
            product_id, trade_id=(), timestamp_ms=(), price=(), quantity=(), is_buy=()
        )

    @classmethod
    def concatenate(cls, product_id: str, batches: Sequence["TradeBatch"]) -> Self:
        """Join batches of one product, in the order given."""
        if not batches:
            return cls.empty(product_id)
        return cls(
            product_id=product_id,
            trade_id=np.concatenate([batch.trade_id for batch in batches]),
            timestamp_ms=np.concatenate([batch.timestamp_ms for batch in batches]),
            price=np.concatenate([batch.price for batch in batches]),
            quantity=np.concatenate([batch.quantity for batch in batches]),
            is_buy=np.concatenate([batch.is_buy for batch in batches]),
        )

    def __len__(self) -> int:
        return len(self.trade_id)

    def select(self, rows: slice | BoolColumn | Int64Column) -> Self:
        """Return the chosen rows: a slice (no copy), a mask or row numbers."""
        chosen: Any = rows
        return type(self)(
            product_id=self.product_id,
            trade_id=self.trade_id[chosen],
            timestamp_ms=self.timestamp_ms[chosen],
            price=self.price[chosen],
            quantity=self.quantity[chosen],
            is_buy=self.is_buy[chosen],
        )
