"""Rows of a feature group in columns: what goes into a store and comes out of it.

Plain numpy, because pyarrow, pandas and polars cost 60 to 80 MB each at import and a service
that only writes candles needs none of them. Types are checked here, at the edge, once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from candlecast.errors import InvalidMessageError
from candlecast.store.feature_group import (
    PRODUCT_ID,
    TIMESTAMP_MS,
    Column,
    Columns,
    ColumnType,
    FeatureGroup,
)

Values = npt.NDArray[Any]

_NUMPY_TYPES: Mapping[ColumnType, npt.DTypeLike] = {
    ColumnType.STRING: np.object_,
    ColumnType.INT64: np.int64,
    ColumnType.FLOAT64: np.float64,
}


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Rows in columns; build them with `from_columns`, which checks every value.

    Attributes:
        columns: names and types, in order.
        values: one array per column name: int64, float64 or objects (strings); not writable.
    """

    columns: Columns
    values: Mapping[str, Values]

    @classmethod
    def from_columns(
        cls, columns: Columns, values: Mapping[str, Sequence[object] | Values]
    ) -> Self:
        """Check and take over columns given as arrays or sequences of plain Python values.

        Raises:
            InvalidMessageError: a column is missing, unknown, or of another length or type; a
                value is null, not finite or does not fit 64 bits. The message names column and row.
        """
        _require_names(columns, values)
        checked = {column.name: _checked(column, values[column.name]) for column in columns}
        _require_equal_lengths(checked)
        return cls(columns, checked)

    @classmethod
    def empty(cls, columns: Columns) -> Self:
        """Build rows without a row."""
        return cls.from_columns(columns, {column.name: () for column in columns})

    @classmethod
    def concatenate(cls, columns: Columns, parts: Sequence["FeatureRows"]) -> Self:
        """Join rows of the same columns, in the order given."""
        if not parts:
            return cls.empty(columns)
        joined = {
            column.name: np.concatenate([part.values[column.name] for part in parts])
            for column in columns
        }
        return cls(columns, {name: _frozen(array) for name, array in joined.items()})

    def __len__(self) -> int:
        return len(self.values[TIMESTAMP_MS])

    def __getitem__(self, name: str) -> Values:
        """Return one column."""
        return self.values[name]

    def select(self, rows: slice | Values) -> Self:
        """Return the chosen rows: a slice (no copy), a mask or row numbers."""
        return type(self)(
            self.columns, {name: _frozen(array[rows]) for name, array in self.values.items()}
        )

    def sorted_by_time(self) -> Self:
        """Return the rows ordered by timestamp; rows of one moment keep their order."""
        timestamps_ms = self.values[TIMESTAMP_MS]
        if bool(np.all(timestamps_ms[1:] >= timestamps_ms[:-1])):
            return self
        return self.select(np.argsort(timestamps_ms, kind="stable"))

    def last_of_each_key(self) -> Self:
        """Return one row per primary key, the last one given, ordered by product and time."""
        if len(self) == 0:
            return self
        product_ids = self.values[PRODUCT_ID].tolist()
        number_of = {product_id: n for n, product_id in enumerate(sorted(set(product_ids)))}
        product_numbers = np.fromiter(map(number_of.__getitem__, product_ids), dtype=np.int64)
        timestamps_ms = self.values[TIMESTAMP_MS]
        order = np.lexsort((timestamps_ms, product_numbers))  # stable: later rows come last
        products, times = product_numbers[order], timestamps_ms[order]
        is_last = np.append((products[1:] != products[:-1]) | (times[1:] != times[:-1]), True)
        return self.select(order[is_last])

    def require_columns_of(self, group: FeatureGroup) -> None:
        """Refuse rows that were built for other columns.

        Raises:
            InvalidMessageError: the columns are not those of the group.
        """
        if self.columns != group.columns:
            given = ", ".join(column.name for column in self.columns)
            raise InvalidMessageError(
                f"rows with columns ({given}) do not belong to feature group {group.label}"
            )

    def to_tuples(self) -> list[tuple[Any, ...]]:
        """Return the rows as tuples of plain Python values, in column order."""
        lists = [self.values[column.name].tolist() for column in self.columns]
        return list(zip(*lists, strict=True))


def _require_names(columns: Columns, values: Mapping[str, object]) -> None:
    names = {column.name for column in columns}
    missing, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
    if missing or unknown:
        raise InvalidMessageError(f"columns missing: {missing}, columns unknown: {unknown}")


def _require_equal_lengths(values: Mapping[str, Values]) -> None:
    lengths = {name: len(array) for name, array in values.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidMessageError(f"columns of unequal length: {lengths}")


def _frozen(array: Values) -> Values:
    view = array.view()
    view.flags.writeable = False
    return view


def _checked(column: Column, values: Sequence[object] | Values) -> Values:
    array = values if isinstance(values, np.ndarray) else _from_sequence(column, values)
    expected = np.dtype(_NUMPY_TYPES[column.type])
    if array.dtype != expected or array.ndim != 1:
        raise InvalidMessageError(
            f"column {column.name}: {array.ndim}-dimensional {array.dtype} where a column of"
            f" {column.type} is due"
        )
    if column.type is ColumnType.STRING:
        _require_text(column, array)
    if column.type is ColumnType.FLOAT64:
        _require_finite(column, array)
    return _frozen(array)


def _from_sequence(column: Column, values: Sequence[object]) -> Values:
    if column.type is ColumnType.INT64:
        _require_each(column, values, _is_int64)
    if column.type is ColumnType.FLOAT64:
        _require_each(column, values, lambda value: type(value) in (float, int))
    array = np.empty(len(values), dtype=_NUMPY_TYPES[column.type])
    array[:] = values
    return array


def _is_int64(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _require_each(
    column: Column, values: Sequence[object] | Values, is_valid: Callable[[object], bool]
) -> None:
    for row, value in enumerate(values):
        if not is_valid(value):
            raise InvalidMessageError(
                f"column {column.name}, row {row}: {value!r} is not a valid {column.type}"
            )


def _require_text(column: Column, array: Values) -> None:
    values = array.tolist()
    # a year has half a million rows of very few products: look at each value once
    if not (set(map(type, values)) <= {str} and "" not in set(values)):
        _require_each(column, values, lambda value: type(value) is str and value != "")


def _require_finite(column: Column, array: Values) -> None:
    wrong_rows = np.flatnonzero(~np.isfinite(array))
    if len(wrong_rows):
        row = int(wrong_rows[0])
        raise InvalidMessageError(
            f"column {column.name}, row {row}: {array[row]} where a finite number is due"
        )
