from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError, InvariantError
from candlecast.kraken.trade_numbering import (
    in_id_order,
    missing_ids,
    number_unnumbered,
    overlapping_rows,
)
from candlecast.market.trade_batch import TradeBatch


def batch_of(trade_ids: Sequence[int], prices: Sequence[float] | None = None) -> TradeBatch:
    count = len(trade_ids)
    return TradeBatch.from_columns(
        "BTC/USD",
        trade_id=trade_ids,
        timestamp_ms=[1_000] * count,
        price=[100.0 + trade_id for trade_id in trade_ids] if prices is None else prices,
        quantity=[1.0] * count,
        is_buy=[True] * count,
    )


@given(
    first_id=st.integers(min_value=1, max_value=2**62),
    is_hidden=st.lists(st.booleans(), min_size=1, max_size=50),
)
def test_hidden_ids_are_found_again_from_any_neighbours(
    first_id: int, is_hidden: list[bool]
) -> None:
    ids = np.arange(first_id, first_id + len(is_hidden), dtype=np.int64)

    numbered = number_unnumbered(np.where(is_hidden, 0, ids), first_id - 1)

    if all(is_hidden) and first_id == 1:
        assert (numbered == 0).all()
    else:
        assert (numbered == ids).all()


def test_a_jump_after_a_run_without_ids_stays_a_jump() -> None:
    numbered = number_unnumbered(np.array([5, 0, 0, 10]))

    assert numbered.tolist() == [5, 6, 7, 10]


@pytest.mark.parametrize("trade_id", [[5, 0, 0, 6], [0, 0, 1], [0, 0, 0, 2]])
def test_more_rows_than_ids_between_neighbours_are_refused(trade_id: list[int]) -> None:
    with pytest.raises(InvalidMessageError, match="without an id"):
        number_unnumbered(np.array(trade_id))


def test_trades_are_put_in_order_and_repeated_ones_dropped() -> None:
    assert in_id_order(batch_of([3, 1, 2, 3, 1])).trade_id.tolist() == [1, 2, 3]


def test_one_id_with_two_prices_is_an_error() -> None:
    with pytest.raises(InvariantError, match="two different trades"):
        in_id_order(batch_of([1, 2, 2], prices=[1.0, 2.0, 2.5]))


@given(
    st.sets(st.integers(min_value=1, max_value=60), min_size=1),
    st.integers(min_value=0, max_value=5),
)
def test_missing_ids_are_those_between_the_first_and_the_last(
    ids: set[int], last_trade_id: int
) -> None:
    ascending = sorted(trade_id for trade_id in ids if trade_id > last_trade_id)
    begin = last_trade_id if last_trade_id > 0 else min(ascending, default=0)

    holes = missing_ids(np.array(ascending, dtype=np.int64), last_trade_id)

    found = [trade_id for hole in holes for trade_id in hole]
    expected = set(range(begin + 1, max(ascending, default=begin))) - set(ascending)
    assert found == sorted(expected)


@pytest.mark.parametrize(
    ("previous", "following", "expected"),
    [
        ([1.0, 2.0, 3.0], [3.0, 4.0], 1),
        ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], 2),
        ([1.0, 2.0], [3.0, 4.0], 0),
        ([], [1.0], 0),
        ([1.0], [1.0], 1),
    ],
)
def test_pages_without_ids_overlap_where_end_and_start_are_equal(
    previous: list[float], following: list[float], expected: int
) -> None:
    one = batch_of([0] * len(previous), prices=previous)
    other = batch_of([0] * len(following), prices=following)

    assert overlapping_rows(one, other) == expected
