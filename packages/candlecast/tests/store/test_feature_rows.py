from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.store.feature_group import (
    PRODUCT_ID,
    TIMESTAMP_MS,
    Column,
    ColumnType,
    FeatureGroup,
)
from candlecast.store.feature_rows import FeatureRows
from candlecast.testing.stored_candles import BTC, ETH

COLUMNS = (
    Column(PRODUCT_ID, ColumnType.STRING),
    Column(TIMESTAMP_MS, ColumnType.INT64),
    Column("price", ColumnType.FLOAT64),
)


def build(**changes: Any) -> FeatureRows:
    values: dict[str, Any] = {PRODUCT_ID: [BTC, ETH], TIMESTAMP_MS: [1, 2], "price": [1.5, 2.5]}
    return FeatureRows.from_columns(COLUMNS, values | changes)


def test_rows_come_out_as_they_went_in() -> None:
    assert build().to_tuples() == [(BTC, 1, 1.5), (ETH, 2, 2.5)]


def test_arrays_of_the_right_type_are_taken_as_they_are() -> None:
    prices = np.array([3.5, 4.5])
    assert np.shares_memory(build(price=prices)["price"], prices)


def test_rows_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        build()["price"][0] = 9.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": [1.5, float("nan")]}, "column price, row 1: nan"),
        ({"price": [float("inf"), 1.5]}, "column price, row 0: inf"),
        ({"price": [1.5, None]}, "column price, row 1: None"),
        ({"price": [1.5, "2.5"]}, "column price, row 1: '2.5'"),
        ({"price": [True, 2.5]}, "column price, row 0: True"),
        ({"price": np.array([1.5, 2.5], dtype=np.float32)}, "column price: 1-dimensional float32"),
        ({"price": np.array([[1.5], [2.5]])}, "column price: 2-dimensional float64"),
        ({TIMESTAMP_MS: [1, 2.0]}, "column timestamp_ms, row 1: 2.0"),
        ({TIMESTAMP_MS: [1, None]}, "column timestamp_ms, row 1: None"),
        ({TIMESTAMP_MS: [1, True]}, "column timestamp_ms, row 1: True"),
        ({TIMESTAMP_MS: [2**63, 1]}, "column timestamp_ms, row 0: 9223372036854775808"),
        ({TIMESTAMP_MS: np.array([1, 2], dtype=np.int32)}, "column timestamp_ms: 1-dimensional"),
        ({TIMESTAMP_MS: np.array([1, 2], dtype=np.uint64)}, "column timestamp_ms: 1-dimensional"),
        ({PRODUCT_ID: [BTC, None]}, "column product_id, row 1: None"),
        ({PRODUCT_ID: [BTC, ""]}, "column product_id, row 1: ''"),
        ({PRODUCT_ID: np.array([BTC, ETH])}, "column product_id: 1-dimensional <U7"),
        ({"price": [1.5]}, "unequal length"),
        ({"volume": [1.5, 2.5]}, r"columns unknown: \['volume'\]"),
    ],
)
def test_a_wrong_value_is_refused_by_column_and_row(
    changes: Mapping[str, Sequence[object]], message: str
) -> None:
    with pytest.raises(InvalidMessageError, match=message):
        build(**changes)


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match=r"columns missing: \['price'\]"):
        FeatureRows.from_columns(COLUMNS, {PRODUCT_ID: [BTC], TIMESTAMP_MS: [1]})


def test_the_name_of_a_group_does_not_matter_to_its_rows_but_the_columns_do() -> None:
    build().require_columns_of(FeatureGroup("any", 3, COLUMNS))
    with pytest.raises(InvalidMessageError, match="do not belong to feature group any_3"):
        build().require_columns_of(FeatureGroup("any", 3, COLUMNS[:2]))


def test_sorting_by_time_keeps_the_order_of_equal_moments() -> None:
    rows = FeatureRows.from_columns(
        COLUMNS,
        {PRODUCT_ID: [BTC] * 4, TIMESTAMP_MS: [2, 1, 2, 0], "price": [1.0, 2.0, 3.0, 4.0]},
    )
    assert rows.sorted_by_time()["price"].tolist() == [4.0, 2.0, 1.0, 3.0]


KEYED_ROWS = st.lists(
    st.tuples(st.sampled_from((BTC, ETH)), st.integers(-3, 3), st.floats(0, 1, width=16))
)


@given(rows=KEYED_ROWS)
def test_the_last_of_each_key_is_what_a_dictionary_keeps(
    rows: list[tuple[str, int, float]],
) -> None:
    columns = zip(*rows, strict=True) if rows else [(), (), ()]
    names = (column.name for column in COLUMNS)
    built = FeatureRows.from_columns(COLUMNS, dict(zip(names, columns, strict=True)))
    kept = {(product_id, moment): price for product_id, moment, price in rows}
    assert built.last_of_each_key().to_tuples() == [(*key, kept[key]) for key in sorted(kept)]
