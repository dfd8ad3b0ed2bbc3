"""The exchange without its network: what is listed, which trades can be seen, up to when.

Pure: server time is passed in. Trades declared missing exist (the truth has them) but are never
shown, by neither REST nor WebSocket.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from kraken_simulator.listings import Listing, dark_pool_asset_pair
from kraken_simulator.trades import Trades, TradeSource

_DARK_POOL_OF = "BTC/USD"


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One listed product and its trades."""

    listing: Listing
    source: TradeSource

    @property
    def product_id(self) -> str:
        """For instance "BTC/USD"."""
        return self.listing.product_id

    def end_id(self, now_ns: int) -> int:
        """Return the id after the last trade that has happened: trades at `now_ns` have."""
        return self.source.id_at(now_ns + 1)

    def next_due_ns(self, next_id: int) -> int | None:
        """Return when a trade happens; None after the end of a recording."""
        trades = self.source.trades(next_id, next_id + 1)
        return int(trades.timestamp_ns[0]) if len(trades) > 0 else None


class Exchange:
    """All listed markets, found by any of their names."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self.markets = {market.product_id: market for market in markets}
        self._by_rest_name = {
            name: market for market in self.markets.values() for name in market.listing.names
        }

    def by_product(self, product_id: str) -> Market | None:
        """Return the market with a WebSocket v2 name."""
        return self.markets.get(product_id)

    def by_rest_name(self, name: str) -> Market | None:
        """Return the market with one of the names REST understands."""
        return self._by_rest_name.get(name)

    def asset_pairs(self) -> dict[str, dict[str, object]]:
        """Return all AssetPairs entries, one dark pool among them."""
        entries = {
            market.listing.rest_key: market.listing.asset_pair() for market in self.markets.values()
        }
        main = self.markets.get(_DARK_POOL_OF)
        if main is not None:
            entries[f"{main.listing.rest_key}.d"] = dark_pool_asset_pair(main.listing)
        return entries


def visible_trades(
    source: TradeSource, first_id: int, end_id: int, missing: Collection[int]
) -> Trades:
    """Return the trades with first_id <= id < end_id that the exchange admits to."""
    trades = source.trades(first_id, end_id)
    if not missing:
        return trades
    return trades.select(~np.isin(trades.trade_id, list(missing)))


def oldest_trades(
    source: TradeSource, first_id: int, end_id: int, count: int, missing: Collection[int]
) -> Trades:
    """Return the first `count` visible trades from an id on."""
    stop_id = min(first_id + count + _count_within(missing, first_id, end_id), end_id)
    return visible_trades(source, first_id, stop_id, missing).select(slice(0, count))


def newest_trades(source: TradeSource, end_id: int, count: int, missing: Collection[int]) -> Trades:
    """Return the last `count` visible trades before an id."""
    first_id = end_id - count - _count_within(missing, source.first_trade_id, end_id)
    trades = visible_trades(source, max(first_id, source.first_trade_id), end_id, missing)
    return trades.select(slice(max(len(trades) - count, 0), None))


def _count_within(missing: Collection[int], first_id: int, end_id: int) -> int:
    return sum(first_id <= trade_id < end_id for trade_id in missing)
