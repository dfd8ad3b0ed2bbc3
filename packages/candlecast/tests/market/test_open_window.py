import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.market.open_window import OpenWindow
from candlecast.market.time_grid import MINUTE_MS
from candlecast.testing.strategies import quantities


def make_window(
    *quantities: float, first_trade_id: int = 1, last_trade_id: int = 1, price: float = 10.0
) -> OpenWindow:
    return OpenWindow(
        start_ms=MINUTE_MS,
        open=price,
        high=price,
        low=price,
        close=price,
        trade_count=len(quantities),
        first_trade_id=first_trade_id,
        last_trade_id=last_trade_id,
        quantities=list(quantities),
        notionals=[quantity * price for quantity in quantities],
        buy_quantities=[0.0] * len(quantities),
    )


def test_a_later_part_raises_lowers_and_closes_a_window() -> None:
    window = make_window(1.0, price=10.0, first_trade_id=1, last_trade_id=1)
    window.merge(make_window(2.0, price=12.0, first_trade_id=2, last_trade_id=3))
    window.merge(make_window(4.0, price=9.0, first_trade_id=4, last_trade_id=4))

    candle = window.to_candle("BTC/USD", MINUTE_MS)

    assert (candle.open, candle.high, candle.low, candle.close) == (10.0, 12.0, 9.0, 9.0)
    assert (candle.volume, candle.trade_count) == (7.0, 3)
    assert candle.vwap == (10.0 + 24.0 + 36.0) / 7.0
    assert (candle.first_trade_id, candle.last_trade_id) == (1, 4)
    assert (candle.start_ms, candle.timestamp_ms) == (MINUTE_MS, 2 * MINUTE_MS)


@pytest.mark.parametrize(
    ("earlier", "later", "ids"),
    [((0, 0), (5, 6), (5, 6)), ((5, 6), (0, 0), (5, 6)), ((0, 0), (0, 0), (0, 0))],
)
def test_a_part_without_ids_leaves_those_that_are_known(
    earlier: tuple[int, int], later: tuple[int, int], ids: tuple[int, int]
) -> None:
    window = make_window(1.0, first_trade_id=earlier[0], last_trade_id=earlier[1])
    window.merge(make_window(1.0, first_trade_id=later[0], last_trade_id=later[1]))

    assert (window.first_trade_id, window.last_trade_id) == ids


@given(values=st.lists(quantities, min_size=1, max_size=60))
def test_compacting_changes_no_candle(values: list[float]) -> None:
    window = make_window(*values)
    before = window.to_candle("BTC/USD", MINUTE_MS)
    window.compact()

    assert window.to_candle("BTC/USD", MINUTE_MS) == before
    assert len(window.quantities) <= 5


def test_the_volume_is_exact_at_8_decimals() -> None:
    window = make_window(*[0.1] * 10, 1e-8)

    assert window.to_candle("BTC/USD", MINUTE_MS).volume == 1.00000001


def test_trades_without_quantity_have_no_average_price() -> None:
    assert make_window(0.0).to_candle("BTC/USD", MINUTE_MS).vwap == 0.0
