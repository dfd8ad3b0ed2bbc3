"""Between our columns and Arrow, which Delta Lake speaks.

arro3 comes with deltalake and costs 4 MB; pyarrow would cost 74.
"""

from typing import cast

import numpy as np
import numpy.typing as npt
from arro3.core import Array, DataType, Field, Schema, Table

from candlecast.store.feature_group import TIMESTAMP_MS, Columns, ColumnType, FeatureGroup
from candlecast.store.feature_rows import FeatureRows

MONTH = "month"
"""The partition column the table has besides the group's own, like "2026-03"."""


def arrow_schema(group: FeatureGroup) -> Schema:
    """Return the columns of the group's Delta table."""
    fields = [
        Field(column.name, _data_type(column.type), nullable=False) for column in group.columns
    ]
    return Schema([*fields, Field(MONTH, DataType.utf8(), nullable=False)])


def to_arrow(group: FeatureGroup, rows: FeatureRows) -> Table:
    """Return the rows with their month, as Delta Lake takes them."""
    arrays = [
        Array(rows[column.name].tolist(), DataType.utf8())
        if column.type is ColumnType.STRING
        else Array.from_numpy(rows[column.name])
        for column in group.columns
    ]
    months = Array(months_of(rows[TIMESTAMP_MS]), DataType.utf8())
    return Table.from_arrays([*arrays, months], schema=arrow_schema(group))


def from_arrow(columns: Columns, table: Table) -> FeatureRows:
    """Read rows from Arrow; columns are found by name, in any order."""
    if table.num_rows == 0:
        return FeatureRows.empty(columns)
    values = {
        column.name: _strings(table, column.name)
        if column.type is ColumnType.STRING
        else table.column(column.name).to_numpy()
        for column in columns
    }
    return FeatureRows.from_columns(columns, values)


def months_of(timestamps_ms: npt.NDArray[np.int64]) -> list[str]:
    """Return the UTC month of each moment, like "2026-03"."""
    months = timestamps_ms.astype("datetime64[ms]").astype("datetime64[M]")
    return [str(month) for month in np.datetime_as_string(months)]


def _strings(table: Table, name: str) -> list[str]:
    strings = table.column(name).cast(DataType.utf8()).to_pylist()
    return cast("list[str]", strings)  # arro3's type stubs say array


def _data_type(column_type: ColumnType) -> DataType:
    return {
        ColumnType.STRING: DataType.utf8(),
        ColumnType.INT64: DataType.int64(),
        ColumnType.FLOAT64: DataType.float64(),
    }[column_type]
