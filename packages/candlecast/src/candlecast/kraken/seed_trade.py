"""Finding the last trade before a moment, with an API that reads forwards only.

A candle range that begins with a minute without trades needs the price before it.
"""

from dataclasses import dataclass

import numpy as np

from candlecast.kraken.rest import LARGEST_TRADES_PAGE
from candlecast.kraken.rest_parser import TradesPage
from candlecast.kraken.trade_numbering import number_unnumbered
from candlecast.kraken.trades_source import NANOSECONDS_PER_MILLISECOND, TradesSource
from candlecast.market.product import Product

_STEPS_BACK_MS = (60_000, 15 * 60_000, 4 * 3_600_000, 3 * 86_400_000, 30 * 86_400_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTrade:
    """The last trade before a moment: its price is the previous close of what follows.

    Attributes:
        product_id: for instance "BTC/USD".
        trade_id: 0 if the exchange gives none.
        timestamp_ms: UTC milliseconds, floored.
        price: in the quote currency.
    """

    product_id: str
    trade_id: int
    timestamp_ms: int
    price: float


async def last_trade_before(
    client: TradesSource,
    product: Product,
    timestamp_ms: int,
    *,
    page_size: int = LARGEST_TRADES_PAGE,
) -> SeedTrade | None:
    """Find the last trade strictly before a moment; None before the product's first trade.

    REST reads forwards only. So it is asked from further and further back until there is a trade,
    and then, since a page may end long before the moment (busy, then paused), from ever closer.
    """
    moment_ns = timestamp_ms * NANOSECONDS_PER_MILLISECOND
    quiet_from_ns = moment_ns  # no trades in [quiet_from_ns, moment_ns)
    starts_ns = [
        max(0, (timestamp_ms - step)) * NANOSECONDS_PER_MILLISECOND for step in _STEPS_BACK_MS
    ]
    for start_ns in (*starts_ns, 0):
        page = await client.trades(product, start_ns, page_size)
        before = _rows_before(page, timestamp_ms)
        if before == 0:
            quiet_from_ns = start_ns
            continue
        return await _approach(client, product, timestamp_ms, page, quiet_from_ns, page_size)
    return None


async def _approach(
    client: TradesSource,
    product: Product,
    timestamp_ms: int,
    page: TradesPage,
    quiet_from_ns: int,
    page_size: int,
) -> SeedTrade:
    """Halve the time between a page with trades before the moment and where there are none."""
    best = page
    while _ends_before(best, timestamp_ms, page_size) and quiet_from_ns - best.last_ns > 1:
        middle_ns = (best.last_ns + quiet_from_ns) // 2
        page = await client.trades(product, middle_ns, page_size)
        if _rows_before(page, timestamp_ms) == 0:
            quiet_from_ns = middle_ns
        elif page.last_ns > best.last_ns:
            best = page
        else:
            break
    if _ends_before(best, timestamp_ms, page_size):
        # No later time has trades, but more trades of the page's last time may have had no room.
        best = await client.trades(product, best.last_ns, page_size)
    row = _rows_before(best, timestamp_ms) - 1
    return SeedTrade(
        product_id=product.product_id,
        trade_id=int(number_unnumbered(best.batch.trade_id)[row]),
        timestamp_ms=int(best.batch.timestamp_ms[row]),
        price=float(best.batch.price[row]),
    )


def _rows_before(page: TradesPage, timestamp_ms: int) -> int:
    """Count the rows up to the last one before the moment, in the exchange's order (by id)."""
    earlier = np.flatnonzero(page.batch.timestamp_ms < timestamp_ms)
    return int(earlier[-1]) + 1 if len(earlier) > 0 else 0


def _ends_before(page: TradesPage, timestamp_ms: int, page_size: int) -> bool:
    """Whether more trades before the moment may follow a page."""
    return len(page) >= page_size and _rows_before(page, timestamp_ms) == len(page)
