"""The first record of a stream, and from where REST is read on."""

from candlecast.testing.trades import make_batch
from trade_producer.stream_start import since_ns, start_record
from trade_producer.testing.in_memory import InMemoryExchange, make_product
from trade_producer.testing.virtual_time import run_in_virtual_time

START_MS = 1_790_000_040_000


def exchange(*trades: tuple[int, int]) -> InMemoryExchange:
    made = InMemoryExchange()
    made.happen(make_batch(*((ms, 100.0 + i) for i, ms in trades), ids=[i for i, _ in trades]))
    return made


def test_a_stream_starts_with_the_cursor_and_the_price_of_the_last_trade_before_it() -> None:
    market = exchange((7, START_MS - 5_000), (8, START_MS - 1), (9, START_MS))

    record = run_in_virtual_time(start_record(market, make_product(), START_MS))

    assert (record.last_trade_id, record.last_timestamp_ms) == (8, START_MS - 1)
    assert record.start is not None
    assert (record.start.timestamp_ms, record.start.previous_close) == (START_MS, 108.0)
    assert len(record.batch) == 0


def test_the_start_does_not_claim_what_a_lagging_rest_may_not_show_yet() -> None:
    market = exchange((7, START_MS - 5_000), (8, START_MS - 1))
    market.shown_until_ms = START_MS - 2

    record = run_in_virtual_time(start_record(market, make_product(), START_MS))

    assert record.watermark_ms == START_MS - 5_000


def test_before_a_products_first_trade_there_is_no_cursor_and_no_price() -> None:
    record = run_in_virtual_time(
        start_record(exchange((3, START_MS + 1)), make_product(), START_MS)
    )

    assert (record.last_trade_id, record.last_timestamp_ms) == (0, START_MS)
    assert record.watermark_ms == START_MS
    assert record.start is not None
    assert record.start.previous_close is None


def test_a_last_trade_without_a_number_gives_its_price_but_no_cursor() -> None:
    record = run_in_virtual_time(
        start_record(exchange((0, START_MS - 3_000)), make_product(), START_MS)
    )

    assert (record.last_trade_id, record.last_timestamp_ms) == (0, START_MS)
    assert record.start is not None
    assert record.start.previous_close == 100.0


def test_rest_is_read_from_a_little_before_the_last_trade() -> None:
    # 1790000040.000000000 may be the rounded form of 1790000039.99999991.
    assert since_ns(START_MS) == (START_MS - 1) * 1_000_000
    assert since_ns(0) == 0
