"""Reading a product's trades from REST without losing or repeating one.

Responsible for: following the cursor, dropping what was read before, proving by trade id that
nothing is missing, and saying what the exchange itself does not have. The rules, with their
sources, are in reference "kraken", 1.3 to 1.5: `since` is inclusive, the cursor is a 19-digit
integer of nanoseconds (`last` of the page), up to a thousand trades may share one time.

A page can repeat for ever only if the cursor does not move and no trade is new; both together are
allowed once (to step over a full page of one nanosecond) and then an error.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from candlecast.errors import InvariantError
from candlecast.kraken.rest import LARGEST_TRADES_PAGE
from candlecast.kraken.rest_parser import ROW_TIME_UNCERTAINTY_NS, TradesPage
from candlecast.kraken.seed_trade import SeedTrade, last_trade_before
from candlecast.kraken.trade_numbering import (
    in_id_order,
    missing_ids,
    number_unnumbered,
    overlapping_rows,
    with_ids,
)
from candlecast.kraken.trades_source import NANOSECONDS_PER_MILLISECOND, TradesSource
from candlecast.market.product import Product
from candlecast.market.trade_batch import TradeBatch

__all__ = [
    "NANOSECONDS_PER_MILLISECOND",
    "HistoryPage",
    "HistoryRange",
    "SeedTrade",
    "TradesSource",
    "last_trade_before",
    "pages_after",
    "range_from",
]

RECHECK_DELAY_SECONDS = 2.0

_RECHECK_LOOK_BACKS_NS = (1_000, 1_000_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class HistoryPage:
    """What one step through history brought.

    Attributes:
        batch: the new trades, ascending by id; possibly none.
        last_ns: the cursor from which to go on, at or before the last trade read.
        caught_up: whether the exchange had no more trades when it answered (the cursor is not a
            proof of it if more than a page of trades share the newest nanosecond; ids are).
        missing_trade_ids: ids before and among these trades that the exchange does not have,
            asked for twice.
        duplicate_count: rows dropped because they were read before; one or a few at every page
            edge are normal.
    """

    batch: TradeBatch
    last_ns: int
    caught_up: bool
    missing_trade_ids: tuple[range, ...] = ()
    duplicate_count: int = 0

    @property
    def missing_count(self) -> int:
        """How many trades the exchange does not have."""
        return sum(len(ids) for ids in self.missing_trade_ids)


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """A product's trades from a moment on.

    Attributes:
        seed: the last trade before it; None if the moment is before the product's first trade.
        pages: the trades from the moment on, for ever until `caught_up`.
    """

    seed: SeedTrade | None
    pages: AsyncGenerator[HistoryPage, None]


async def pages_after(
    client: TradesSource,
    product: Product,
    *,
    last_trade_id: int,
    since_ns: int,
    page_size: int = LARGEST_TRADES_PAGE,
    recheck_delay_seconds: float = RECHECK_DELAY_SECONDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[HistoryPage, None]:
    """Yield the trades after `last_trade_id`, page by page, ending with a page that is caught up.

    Args:
        client: asks the exchange, with its own retries and rate limits.
        product: whose trades.
        last_trade_id: the last one already known; 0 if none is.
        since_ns: a moment at or before that trade (its floored milliseconds will do), or where to
            begin.
        page_size: rows to ask for at once; 1 to 1000.
        recheck_delay_seconds: before asking for a missing trade for the second time.
        sleep: waits for some seconds.

    Raises:
        InvariantError: if the exchange repeats itself and trades cannot be reached, or gives two
            trades one id.
    """
    pager = _Pager(client, product, last_trade_id, since_ns, page_size)
    while True:
        page = await pager.next_page(lambda: sleep(recheck_delay_seconds))
        yield page
        if page.caught_up:
            return


async def range_from(
    client: TradesSource,
    product: Product,
    *,
    start_ms: int,
    page_size: int = LARGEST_TRADES_PAGE,
    recheck_delay_seconds: float = RECHECK_DELAY_SECONDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> HistoryRange:
    """Start reading a product's trades at a moment, proven complete from the trade before it."""
    seed = await last_trade_before(client, product, start_ms, page_size=page_size)
    # Beginning at the seed itself proves that nothing lies between it and the first trade; a seed
    # without an id can prove nothing, and would only come again.
    is_numbered = seed is not None and seed.trade_id > 0
    pages = pages_after(
        client,
        product,
        last_trade_id=seed.trade_id if seed is not None else 0,
        since_ns=(seed.timestamp_ms if seed is not None and is_numbered else start_ms)
        * NANOSECONDS_PER_MILLISECOND,
        page_size=page_size,
        recheck_delay_seconds=recheck_delay_seconds,
        sleep=sleep,
    )
    return HistoryRange(seed, pages)


class _Pager:
    """The state of one way through history: the last id, the cursor, and the page before."""

    def __init__(
        self,
        client: TradesSource,
        product: Product,
        last_trade_id: int,
        since_ns: int,
        page_size: int,
    ) -> None:
        self._client = client
        self._product = product
        self._last_trade_id = last_trade_id
        self._since_ns = since_ns
        self._resume_ns = since_ns
        self._page_size = page_size
        self._previous_rows = TradeBatch.empty(product.product_id)
        self._stepped_over_full_page = False

    async def next_page(self, wait: Callable[[], Awaitable[None]]) -> HistoryPage:
        """Read one page, fill or confirm its holes, and move the cursor."""
        page = await self._fetch(self._since_ns)
        is_full = len(page) >= self._page_size
        fresh = self._fresh_trades(page.batch)
        if len(fresh) == 0:
            return self._page_without_news(page, is_full=is_full)
        duplicate_count = len(page) - len(fresh)
        missing = missing_ids(fresh.trade_id, self._last_trade_id)
        if missing and self._stepped_over_full_page:
            raise InvariantError(
                f"{self._product.product_id}: more than {self._page_size} trades share one "
                f"nanosecond; trades {missing[0].start} to {missing[0].stop - 1} are out of reach"
            )
        if missing:
            fresh = await self._recheck(fresh, wait)
            missing = missing_ids(fresh.trade_id, self._last_trade_id)
        self._stepped_over_full_page = False
        self._last_trade_id = int(fresh.trade_id[-1])
        self._since_ns = self._resume_ns = page.last_ns
        self._previous_rows = fresh
        return HistoryPage(
            batch=fresh,
            last_ns=self._resume_ns,
            caught_up=not is_full,
            missing_trade_ids=missing,
            duplicate_count=duplicate_count,
        )

    async def _fetch(self, since_ns: int) -> TradesPage:
        return await self._client.trades(self._product, since_ns, self._page_size)

    def _fresh_trades(self, rows: TradeBatch) -> TradeBatch:
        """Return the rows that were not read before, by id where there are ids."""
        has_ids = bool((rows.trade_id > 0).any())
        if not has_ids or self._last_trade_id == 0:
            rows = rows.select(slice(overlapping_rows(self._previous_rows, rows), None))
        rows = with_ids(rows, number_unnumbered(rows.trade_id, self._last_trade_id))
        if len(rows) == 0 or rows.trade_id[0] == 0:
            return rows
        self._require_agreement(rows)
        return in_id_order(rows.select(rows.trade_id > self._last_trade_id))

    def _require_agreement(self, rows: TradeBatch) -> None:
        """A trade read twice must be the same trade both times."""
        again = rows.select(np.isin(rows.trade_id, self._previous_rows.trade_id))
        if len(again) > 0:
            first = self._previous_rows
            first = first.select(np.isin(first.trade_id, again.trade_id))
            in_id_order(TradeBatch.concatenate(rows.product_id, [first, again]))

    def _page_without_news(self, page: TradesPage, *, is_full: bool) -> HistoryPage:
        """Decide how to go on after a page of trades that are all known."""
        if is_full and page.last_ns > self._since_ns:
            # The cursor moved: it had been set long before the last known trade.
            self._since_ns = self._resume_ns = page.last_ns
        elif is_full and self._stepped_over_full_page:
            raise InvariantError(
                f"{self._product.product_id}: the exchange repeats the same page of {len(page)} "
                f"trades after trade {self._last_trade_id}, whatever it is asked for"
            )
        elif is_full:
            # A whole page on one nanosecond. Stepping over it is right only if no trade is lost by
            # it, which the next trade's id will show.
            self._stepped_over_full_page = True
            self._since_ns = page.last_ns + 1
        return HistoryPage(
            batch=TradeBatch.empty(self._product.product_id),
            last_ns=self._resume_ns,
            caught_up=not is_full,
            duplicate_count=len(page),
        )

    async def _recheck(self, fresh: TradeBatch, wait: Callable[[], Awaitable[None]]) -> TradeBatch:
        """Ask again for what is missing, at once and a little later."""
        for attempt, look_back_ns in enumerate(_RECHECK_LOOK_BACKS_NS):
            if attempt > 0:
                await wait()
            fresh = await self._refetch_holes(fresh, look_back_ns)
            if not missing_ids(fresh.trade_id, self._last_trade_id):
                break
        return fresh

    async def _refetch_holes(self, fresh: TradeBatch, look_back_ns: int) -> TradeBatch:
        """Read again from before the first hole, and on from the next one beyond that page."""
        settled_id = self._last_trade_id
        while True:
            holes = missing_ids(fresh.trade_id, self._last_trade_id)
            hole = next((hole for hole in holes if hole.start > settled_id), None)
            if hole is None:
                return fresh
            page = await self._fetch(self._time_before(hole, fresh, look_back_ns))
            rows = self._fresh_trades(page.batch)
            # What lies beyond this page belongs to the next one, which proves it in its turn.
            rows = rows.select(rows.trade_id <= fresh.trade_id[-1])
            settled_id = max([hole.stop - 1, *rows.trade_id[-1:].tolist()])
            fresh = in_id_order(TradeBatch.concatenate(fresh.product_id, [fresh, rows]))

    def _time_before(self, hole: range, fresh: TradeBatch, look_back_ns: int) -> int:
        row_before = int(np.searchsorted(fresh.trade_id, hole.start)) - 1
        if row_before < 0:
            return max(0, self._since_ns - look_back_ns)
        row_ns = int(fresh.timestamp_ms[row_before]) * NANOSECONDS_PER_MILLISECOND
        return row_ns - ROW_TIME_UNCERTAINTY_NS
