from hypothesis import given, settings
from hypothesis import strategies as st

from kraken_simulator.bootstrap import build_exchange
from kraken_simulator.exchange import newest_trades, oldest_trades
from kraken_simulator.settings import Settings

SOURCE = build_exchange(Settings(products=("QNT/USD",))).markets["QNT/USD"].source
FIRST_ID = 100_000

id_ranges = st.tuples(st.integers(0, 200), st.integers(0, 200)).map(sorted)
missing_sets = st.frozensets(st.integers(FIRST_ID - 20, FIRST_ID + 220), max_size=120)


@given(id_range=id_ranges, count=st.integers(0, 60), missing=missing_sets)
@settings(max_examples=100, deadline=None)
def test_pages_are_the_first_or_last_visible_trades(
    id_range: list[int], count: int, missing: frozenset[int]
) -> None:
    first_id, end_id = (FIRST_ID + offset for offset in id_range)
    visible = [i for i in range(first_id, end_id) if i not in missing]
    oldest = oldest_trades(SOURCE, first_id, end_id, count, missing)
    assert oldest.trade_id.tolist() == visible[:count]
    newest = newest_trades(SOURCE, end_id, count, missing)
    all_visible = [i for i in range(end_id - 400, end_id) if i not in missing]
    assert newest.trade_id.tolist() == all_visible[len(all_visible) - count :]
