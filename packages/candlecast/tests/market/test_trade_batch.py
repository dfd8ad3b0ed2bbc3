import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.market.trade_batch import TradeBatch
from candlecast.testing.strategies import tapes
from candlecast.testing.trades import columns_of, make_batch

BATCH = make_batch((1_000, 10.0), (2_000, 11.0), (3_000, 12.0))


def test_columns_have_one_type_each_however_they_were_given() -> None:
    batch = TradeBatch.from_columns(
        "BTC/USD", trade_id=(1,), timestamp_ms=[2], price=(3,), quantity=[4], is_buy=(True,)
    )

    assert [column.dtype for column in (batch.trade_id, batch.timestamp_ms)] == [np.int64] * 2
    assert [column.dtype for column in (batch.price, batch.quantity)] == [np.float64] * 2
    assert batch.is_buy.dtype == np.bool_


def test_an_empty_batch_has_a_product_and_no_trades() -> None:
    assert len(TradeBatch.empty("ETH/USD")) == 0
    assert TradeBatch.empty("ETH/USD").product_id == "ETH/USD"


@pytest.mark.parametrize(
    "rows", [slice(1, None), np.array([False, True, True]), np.array([1, 2], dtype=np.int64)]
)
def test_rows_are_chosen_by_slice_by_mask_or_by_number(rows: slice) -> None:
    assert columns_of(BATCH.select(rows)) == columns_of(
        make_batch((2_000, 11.0), (3_000, 12.0), first_id=2)
    )


@settings(max_examples=30, deadline=None)
@given(tape=tapes(jumps=True), cut=st.integers(0, 40))
def test_a_batch_that_was_cut_can_be_joined_again(tape: TradeBatch, cut: int) -> None:
    parts = [tape.select(slice(None, cut)), tape.select(slice(cut, None))]

    assert columns_of(TradeBatch.concatenate("BTC/USD", parts)) == columns_of(tape)


def test_no_batches_join_to_an_empty_one() -> None:
    assert columns_of(TradeBatch.concatenate("BTC/USD", [])) == columns_of(
        TradeBatch.empty("BTC/USD")
    )
