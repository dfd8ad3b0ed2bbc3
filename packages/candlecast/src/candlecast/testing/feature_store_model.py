"""The feature store in three dictionaries: what the contract suite compares real stores with."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from candlecast.market.candle import Candle
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.feature_group import FeatureGroup
from candlecast.store.feature_store import FeatureStore
from candlecast.testing.stored_candles import BTC, ETH, make_candle

_Table = dict[tuple[str, int], Candle]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a store."""

    method: Literal["write_online", "write_offline", "materialize"]
    candles: tuple[Candle, ...] = ()


def steps() -> st.SearchStrategy[Step]:
    """Generate calls on few keys, so that they meet each other."""
    candles = st.builds(
        make_candle,
        st.integers(44_636, 44_641),  # across the end of a month
        product_id=st.sampled_from((BTC, ETH)),
        close=st.floats(allow_nan=False, allow_infinity=False),
    )
    batches = st.lists(candles, max_size=6).map(tuple)
    return st.one_of(
        st.builds(Step, st.sampled_from(("write_online", "write_offline")), batches),
        st.just(Step("materialize")),
    )


def apply_step(step: Step, store: FeatureStore, group: FeatureGroup) -> int:
    """Make the call; return the number of rows materialised."""
    if step.method == "materialize":
        return store.materialize(group)
    write = store.write_online if step.method == "write_online" else store.write_offline
    write(group, candles_to_rows(step.candles))
    return 0


class FeatureStoreModel:
    """What each side must hold; `everything` is the history once all is materialised."""

    def __init__(self) -> None:
        self.online: _Table = {}
        self.offline: _Table = {}
        self.everything: _Table = {}
        self._pending: set[tuple[str, int]] = set()

    def apply(self, step: Step) -> int:
        """Do what the call does; return the number of rows materialised."""
        if step.method == "materialize":
            return self._materialize()
        for candle in step.candles:
            key = candle.product_id, candle.timestamp_ms
            self.everything[key] = candle
            if step.method == "write_online":
                self.online[key] = candle
                self._pending.add(key)
            else:
                self.offline[key] = candle
                self._pending.discard(key)
        return 0

    def _materialize(self) -> int:
        moved_rows = len(self._pending)
        for key in self._pending:
            self.offline[key] = self.everything[key]
        self._pending.clear()
        return moved_rows

    @staticmethod
    def candles_of(table: _Table, product_id: str) -> list[Candle]:
        """Return the candles of a product ordered by time."""
        return [table[key] for key in sorted(table) if key[0] == product_id]
