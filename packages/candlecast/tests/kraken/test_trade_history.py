"""Paging through a scripted exchange with Kraken's rules, by way of the real client and parser."""

import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.errors import InvariantError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.kraken.trade_history import (
    HistoryPage,
    last_trade_before,
    pages_after,
    range_from,
)
from candlecast.market.product import Product

BTC_USD = Product(
    product_id="BTC/USD",
    rest_key="XXBTZUSD",
    altname="XBTUSD",
    websocket_v1_name="XBT/USD",
    price_decimals=1,
    quantity_decimals=8,
)
START_NS = 1_705_792_331_777_822_495
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

Row = tuple[int, int]  # trade id, time in nanoseconds


@dataclass
class ScriptedExchange:
    """Answers Trades as Kraken does; the fields are what may be odd about it.

    `since` is inclusive, rows come oldest first, times are shown as float64, `last` is exact.
    """

    rows: Sequence[Row]
    shows_since: bool = True
    hidden_until_call: dict[int, int] = field(default_factory=dict)
    shown_ids: Callable[[int], int] = lambda trade_id: trade_id
    last_of: Callable[[int], str] = str
    edge_duplicates: int = 0
    asked: list[int] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        since = request.url.params["since"]
        assert since == "0" or (since.isdigit() and len(since) == 19)
        count = int(request.url.params["count"])
        self.asked.append(int(since))
        visible = [
            row for row in self.rows if self.hidden_until_call.get(row[0], 0) < len(self.asked)
        ]
        first = next((n for n, row in enumerate(visible) if row[1] >= int(since)), len(visible))
        first = max(0, first - self.edge_duplicates) if self.shows_since else 0
        page = visible[first : first + count]
        last = self.last_of(page[-1][1]) if page else since
        body = {"error": [], "result": {"XXBTZUSD": [self._shown(*r) for r in page], "last": last}}
        return httpx.Response(200, content=json.dumps(body))

    def _shown(self, trade_id: int, time_ns: int) -> list[object]:
        seconds = float(Decimal(time_ns) / SECOND_NS)
        price = f"{1000 + trade_id % 97}.1"
        return [price, "0.5", seconds, "b", "m", "", self.shown_ids(trade_id)]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def client(self) -> KrakenRestClient:
        return KrakenRestClient(
            calls_per_second=math.inf, transport=httpx.MockTransport(self), sleep=self.sleep
        )

    async def pages(
        self, *, last_trade_id: int = 0, since_ns: int = START_NS, page_size: int = 1000
    ) -> list[HistoryPage]:
        async with self.client() as client:
            pages = pages_after(
                client,
                BTC_USD,
                last_trade_id=last_trade_id,
                since_ns=since_ns,
                page_size=page_size,
                sleep=self.sleep,
            )
            return [page async for page in pages]


def spread(count: int, *, step_ns: int = 13_400, first_id: int = 1) -> list[Row]:
    return [(first_id + n, START_NS + n * step_ns) for n in range(count)]


def ids_of(pages: Sequence[HistoryPage]) -> list[int]:
    return [int(trade_id) for page in pages for trade_id in page.batch.trade_id]


async def test_every_trade_comes_once_and_in_order_over_many_full_pages() -> None:
    exchange = ScriptedExchange(spread(4321))

    pages = await exchange.pages()

    assert ids_of(pages) == list(range(1, 4322))
    assert [page.caught_up for page in pages] == [False] * 4 + [True]
    assert all(page.missing_trade_ids == () for page in pages)
    assert len(exchange.asked) == 5


async def test_the_cursor_is_the_exact_nanosecond_of_the_last_row() -> None:
    exchange = ScriptedExchange(spread(2500))

    await exchange.pages()

    assert exchange.asked == [START_NS, START_NS + 999 * 13_400, START_NS + 1998 * 13_400]


async def test_the_row_at_the_edge_is_dropped_and_counted() -> None:
    pages = await ScriptedExchange(spread(2500)).pages()

    assert [page.duplicate_count for page in pages] == [0, 1, 1]


async def test_rows_repeated_from_before_the_cursor_are_dropped_and_counted() -> None:
    pages = await ScriptedExchange(spread(2500), edge_duplicates=7).pages()

    assert ids_of(pages) == list(range(1, 2501))
    assert [page.duplicate_count for page in pages] == [0, 8, 8]


async def test_a_page_that_ends_exactly_at_the_newest_trade_is_followed_by_an_empty_step() -> None:
    pages = await ScriptedExchange(spread(1000)).pages()

    assert [(len(page.batch), page.caught_up) for page in pages] == [(1000, False), (0, True)]
    assert pages[-1].last_ns == START_NS + 999 * 13_400


async def test_going_on_from_a_stored_trade_in_floored_milliseconds_repeats_nothing() -> None:
    exchange = ScriptedExchange(spread(3000))
    stored_id = 1200
    stored_ms = (START_NS + (stored_id - 1) * 13_400) // 1_000_000

    pages = await exchange.pages(last_trade_id=stored_id, since_ns=stored_ms * 1_000_000)

    assert ids_of(pages) == list(range(1201, 3001))
    assert all(page.missing_trade_ids == () for page in pages)


async def test_a_cursor_long_before_the_stored_trade_walks_forward_to_it() -> None:
    pages = await ScriptedExchange(spread(5000)).pages(last_trade_id=3500)

    assert [len(page.batch) for page in pages] == [0, 0, 0, 497, 999, 4]
    assert ids_of(pages) == list(range(3501, 5001))


async def test_an_answer_without_trades_keeps_the_cursor() -> None:
    pages = await ScriptedExchange([]).pages(last_trade_id=9, since_ns=START_NS)

    assert [(page.last_ns, page.caught_up, len(page.batch)) for page in pages] == [
        (START_NS, True, 0)
    ]


async def test_an_exchange_that_answers_the_first_batch_again_and_again_is_an_error() -> None:
    exchange = ScriptedExchange(spread(5000), shows_since=False)

    with pytest.raises(InvariantError, match="repeats the same page of 1000 trades after trade"):
        await exchange.pages()
    assert len(exchange.asked) == 3


@pytest.mark.parametrize("digits_kept", [10, 13, 16])
async def test_a_truncated_cursor_does_not_repeat_the_first_batch(digits_kept: int) -> None:
    def truncated(time_ns: int) -> str:
        return str(time_ns)[:digits_kept].ljust(19, "0")

    exchange = ScriptedExchange(spread(4000), last_of=truncated)

    assert ids_of(await exchange.pages()) == list(range(1, 4001))


async def test_a_missing_cursor_is_replaced_by_the_rows_time() -> None:
    exchange = ScriptedExchange(spread(4000), last_of=lambda _: "")

    assert ids_of(await exchange.pages()) == list(range(1, 4001))


async def test_a_full_page_on_one_nanosecond_is_stepped_over_when_nothing_is_lost() -> None:
    same_time = [(n, START_NS) for n in range(1, 1001)]
    exchange = ScriptedExchange([*same_time, (1001, START_NS + 5), (1002, START_NS + SECOND_NS)])

    assert ids_of(await exchange.pages()) == list(range(1, 1003))


async def test_more_trades_on_one_nanosecond_than_a_page_holds_are_an_error_not_a_loop() -> None:
    same_time = [(n, START_NS) for n in range(1, 1500)]
    exchange = ScriptedExchange([*same_time, (1500, START_NS + 5)])

    with pytest.raises(InvariantError, match="trades 1001 to 1499 are out of reach"):
        await exchange.pages()


async def test_trades_that_showed_up_at_the_second_look_are_not_missing() -> None:
    exchange = ScriptedExchange(spread(3000), hidden_until_call={1500: 2, 1501: 2})

    pages = await exchange.pages()

    assert ids_of(pages) == list(range(1, 3001))
    assert all(page.missing_trade_ids == () for page in pages)
    assert exchange.slept == []


async def test_trades_that_show_up_a_little_later_are_not_missing() -> None:
    exchange = ScriptedExchange(spread(300), hidden_until_call={150: 2})

    pages = await exchange.pages()

    assert ids_of(pages) == list(range(1, 301))
    assert exchange.slept == [2.0]


async def test_a_trade_hidden_right_after_the_last_known_one_is_found_by_looking_back() -> None:
    rows = [(7, START_NS), (8, START_NS + 200), (9, START_NS + SECOND_NS)]
    exchange = ScriptedExchange(rows)

    # The cursor lies after trade 8: only a look back can find it.
    pages = await exchange.pages(last_trade_id=7, since_ns=START_NS + 500)

    assert ids_of(pages) == [8, 9]
    assert pages[0].missing_trade_ids == ()


async def test_what_the_exchange_does_not_have_is_reported_and_not_skipped_in_silence() -> None:
    rows = [row for row in spread(2500) if row[0] not in {5, 6, 7, 1000, 2000}]
    exchange = ScriptedExchange(rows)

    pages = await exchange.pages()

    assert ids_of(pages) == [row[0] for row in rows]
    assert [page.missing_trade_ids for page in pages] == [
        (range(5, 8), range(1000, 1001)),
        (range(2000, 2001),),
        (),
    ]
    assert [page.missing_count for page in pages] == [4, 1, 0]
    assert exchange.slept == [2.0, 2.0]


async def test_a_hole_before_the_first_trade_asked_for_is_reported() -> None:
    pages = await ScriptedExchange(spread(3, first_id=10)).pages(last_trade_id=7)

    assert [page.missing_trade_ids for page in pages] == [(range(8, 10),)]
    assert ids_of(pages) == [10, 11, 12]


async def test_runs_of_id_zero_are_numbered_from_their_neighbours_over_page_edges() -> None:
    exchange = ScriptedExchange(
        spread(2500), shown_ids=lambda n: 0 if 400 <= n < 700 or 900 <= n < 1100 else n
    )

    assert ids_of(await exchange.pages()) == list(range(1, 2501))


async def test_whole_pages_of_id_zero_are_numbered_on_from_the_last_known_trade() -> None:
    exchange = ScriptedExchange(spread(3500), shown_ids=lambda n: 0 if n > 500 else n)

    assert ids_of(await exchange.pages()) == list(range(1, 3501))


async def test_a_product_without_any_ids_is_read_once_from_end_to_end() -> None:
    exchange = ScriptedExchange(spread(2500, step_ns=SECOND_NS), shown_ids=lambda _: 0)

    pages = await exchange.pages()

    assert sum(len(page.batch) for page in pages) == 2500
    assert ids_of(pages) == [0] * 2500


async def test_one_id_for_two_different_trades_is_an_error() -> None:
    rows = [(1, START_NS), (2, START_NS + SECOND_NS), (2, START_NS + 2 * SECOND_NS)]

    with pytest.raises(InvariantError, match="one trade id stands for two different trades"):
        await ScriptedExchange(rows).pages()


async def test_a_trade_that_changed_between_two_pages_is_an_error() -> None:
    calls = 0

    def renumbered(trade_id: int) -> int:
        nonlocal calls
        calls += 1
        return trade_id if calls <= 10 else trade_id - 1

    with pytest.raises(InvariantError, match="one trade id stands for two different trades"):
        await ScriptedExchange(spread(30), shown_ids=renumbered).pages(page_size=10)


TIME_STEPS = st.lists(
    st.sampled_from([0, 0, 0, 1, 120, 13_400, 999_999, SECOND_NS, 90 * MINUTE_NS]),
    min_size=1,
    max_size=60,
)


def rows_with(time_steps: Sequence[int]) -> list[Row]:
    rows, time_ns = [], START_NS
    for trade_id, step in enumerate(time_steps, start=1):
        time_ns += step
        rows.append((trade_id, time_ns))
    return rows


def longest_run_on_one_time(rows: Sequence[Row]) -> int:
    times = [time_ns for _, time_ns in rows]
    return max((times.count(time_ns) for time_ns in times), default=0)


@settings(max_examples=200, deadline=None)
@given(TIME_STEPS, st.integers(min_value=0, max_value=3), st.data())
async def test_any_history_is_read_completely_or_refused(
    time_steps: list[int], edge_duplicates: int, data: st.DataObject
) -> None:
    rows = rows_with(time_steps)
    missing = data.draw(st.sets(st.sampled_from([trade_id for trade_id, _ in rows])))
    kept = [row for row in rows if row[0] not in missing]
    page_size = data.draw(st.integers(min_value=5, max_value=12))
    exchange = ScriptedExchange(kept, edge_duplicates=edge_duplicates)

    try:
        pages = await exchange.pages(page_size=page_size)
    except InvariantError:
        # A page has to have room for the trades of one time, and one more to get past them.
        assert longest_run_on_one_time(kept) + edge_duplicates >= page_size
        return
    reported = {n for page in pages for ids in page.missing_trade_ids for n in ids}
    assert pages[-1].caught_up
    if kept and [time_ns for _, time_ns in kept].count(kept[-1][1]) >= page_size:
        # The newest trades fill a page with one time: what else has it shows with the next trade.
        return
    assert ids_of(pages) == [trade_id for trade_id, _ in kept]
    inner = set(range(kept[0][0], kept[-1][0])) if kept else set()
    assert reported == missing & inner


@settings(max_examples=200, deadline=None)
@given(TIME_STEPS, st.integers(min_value=3, max_value=12), st.data())
async def test_the_last_trade_before_a_moment_is_the_one_a_full_scan_finds(
    time_steps: list[int], page_size: int, data: st.DataObject
) -> None:
    rows = rows_with(time_steps)
    first_ms, last_ms = rows[0][1] // 1_000_000, rows[-1][1] // 1_000_000
    moment_ms = data.draw(st.integers(min_value=first_ms - 5, max_value=last_ms + 5_000))
    earlier = [row for row in rows if row[1] // 1_000_000 < moment_ms]
    if longest_run_on_one_time(rows) >= page_size:
        return
    exchange = ScriptedExchange(rows)

    async with exchange.client() as client:
        seed = await last_trade_before(client, BTC_USD, moment_ms, page_size=page_size)

    assert (None if seed is None else seed.trade_id) == (earlier[-1][0] if earlier else None)


async def test_the_last_trade_before_a_pause_after_a_busy_day_takes_few_requests() -> None:
    busy = [(n, START_NS + n * SECOND_NS) for n in range(1, 80_001)]
    pause_ends_ms = (busy[-1][1] + 26 * 60 * MINUTE_NS) // 1_000_000
    exchange = ScriptedExchange(busy)

    async with exchange.client() as client:
        seed = await last_trade_before(client, BTC_USD, pause_ends_ms)

    assert seed is not None
    assert (seed.trade_id, seed.timestamp_ms) == (80_000, busy[-1][1] // 1_000_000)
    assert seed.price == 1000 + 80_000 % 97 + 0.1
    assert len(exchange.asked) <= 16


async def test_the_last_of_several_trades_on_one_time_at_a_pages_end_is_found() -> None:
    rows = [(1, START_NS), (2, START_NS), (3, START_NS + 1), (4, START_NS + 1)]
    exchange = ScriptedExchange(rows)

    async with exchange.client() as client:
        seed = await last_trade_before(client, BTC_USD, START_NS // 1_000_000 + 1, page_size=3)

    assert seed is not None
    assert seed.trade_id == 4


async def test_there_is_no_trade_before_the_products_first_one() -> None:
    exchange = ScriptedExchange(spread(5))

    async with exchange.client() as client:
        seed = await last_trade_before(client, BTC_USD, START_NS // 1_000_000)

    assert seed is None
    assert exchange.asked[-1] == 0


async def collect(pages: AsyncIterator[HistoryPage]) -> list[HistoryPage]:
    return [page async for page in pages]


async def test_a_range_begins_after_its_seed_and_is_proven_complete_from_there() -> None:
    rows = [(41, START_NS), (42, START_NS + 1), (44, START_NS + 3 * MINUTE_NS)]
    exchange = ScriptedExchange(rows)
    start_ms = (START_NS + MINUTE_NS) // 1_000_000

    async with exchange.client() as client:
        history = await range_from(client, BTC_USD, start_ms=start_ms, sleep=exchange.sleep)
        pages = await collect(history.pages)

    assert history.seed is not None
    assert (history.seed.trade_id, history.seed.price) == (42, 1042.1)
    assert ids_of(pages) == [44]
    assert pages[0].missing_trade_ids == (range(43, 44),)


async def test_a_range_before_the_products_first_trade_has_no_seed() -> None:
    exchange = ScriptedExchange(spread(5))
    start_ms = (START_NS - MINUTE_NS) // 1_000_000

    async with exchange.client() as client:
        history = await range_from(client, BTC_USD, start_ms=start_ms)
        pages = await collect(history.pages)

    assert history.seed is None
    assert ids_of(pages) == [1, 2, 3, 4, 5]
