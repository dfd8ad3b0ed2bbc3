"""What reading history needs of a client: one method, so that tests can stand in for it."""

from typing import Protocol

from candlecast.kraken.rest_parser import TradesPage
from candlecast.market.product import Product

NANOSECONDS_PER_MILLISECOND = 1_000_000


class TradesSource(Protocol):
    """The one method of KrakenRestClient that is needed."""

    async def trades(self, pair: Product, since_ns: int | None, count: int) -> TradesPage:
        """Return the oldest `count` trades at or after `since_ns`."""
