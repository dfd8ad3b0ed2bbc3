import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.kraken import rest_parser
from candlecast.kraken.rest_parser import TradesPage
from candlecast.market.product import ProductCatalogue

Recording = Callable[[str], bytes]
TRADES = "rest_trades_XBTUSDT_20251110.json"
OHLC = "rest_ohlc_XBTUSDT_1m_20251110.json"
ROW = ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952]
ROW_NS = 1688669597827736900
PARSERS: list[Callable[[bytes], object]] = [
    rest_parser.parse_answer,
    lambda result: rest_parser.parse_trades(result, "BTC/USD"),
    lambda result: rest_parser.parse_ohlc(result, "BTC/USD"),
    rest_parser.parse_asset_pairs,
    rest_parser.parse_time,
    rest_parser.parse_system_status,
]


def result_of(body: bytes) -> bytes:
    answer = rest_parser.parse_answer(body)
    assert answer.error == []
    return bytes(answer.result)  # type: ignore[arg-type] # UNSET would fail here


def parse_rows(*rows: list[Any], last: Any = None) -> TradesPage:
    result: dict[str, Any] = {"XXBTZUSD": list(rows)}
    if last is not None:
        result["last"] = last
    return rest_parser.parse_trades(json.dumps(result).encode(), "BTC/USD")


def test_a_recorded_page_keeps_every_trade_in_order(recording: Recording) -> None:
    page = rest_parser.parse_trades(result_of(recording(TRADES)), "BTC/USDT")

    assert page.batch.product_id == "BTC/USDT"
    assert page.rest_key == "XBTUSDT"
    assert page.last_ns == 1762820035982277754
    assert page.batch.trade_id.tolist() == list(range(10218208, 10219208))


def test_a_recorded_page_equals_its_text_read_with_decimals(recording: Recording) -> None:
    body = recording(TRADES)
    rows = json.loads(body, parse_float=Decimal)["result"]["XBTUSDT"]

    page = rest_parser.parse_trades(result_of(body), "BTC/USDT")

    assert page.row_ns.tolist() == [int(row[2] * 10**9) for row in rows]
    assert page.batch.timestamp_ms.tolist() == [int(row[2] * 10**3) for row in rows]
    assert page.batch.price.tolist() == [float(row[0]) for row in rows]
    assert page.batch.quantity.tolist() == [float(row[1]) for row in rows]
    assert page.batch.is_buy.tolist() == [row[3] == "b" for row in rows]


def test_the_last_tenth_of_a_millisecond_of_a_minute_stays_in_it() -> None:
    page = parse_rows([*ROW[:2], 1688669639.9996, *ROW[3:]], last="1688669639999600000")

    assert page.batch.timestamp_ms.tolist() == [1688669639999]


def test_rows_of_old_recordings_have_no_id() -> None:
    assert parse_rows(ROW[:6], last=str(ROW_NS)).batch.trade_id.tolist() == [0]


def test_items_added_to_a_row_later_are_ignored() -> None:
    assert parse_rows([*ROW, "new"], last=str(ROW_NS)).batch.trade_id.tolist() == [61044952]


@pytest.mark.parametrize("last", [str(ROW_NS + 119), ROW_NS + 119, str(ROW_NS - 119)])
def test_the_cursor_is_taken_untouched(last: str | int) -> None:
    assert parse_rows(ROW, last=last).last_ns == int(last)


@pytest.mark.parametrize(
    "last",
    [
        None,
        "",
        "1688669597",
        "1688669597000000000",
        "1688669605893529482",
        "1.688669597827736e18",
        "²" * 19,
    ],
    ids=["missing", "empty", "seconds", "cut to seconds", "of a later row", "float", "not ascii"],
)
def test_a_wrong_cursor_is_replaced_by_the_last_rows_time_less_its_uncertainty(
    last: str | None,
) -> None:
    assert parse_rows(ROW, last=last).last_ns == ROW_NS - 1_000


@pytest.mark.parametrize(("last", "expected"), [("1688669597827736999", 1688669597827736999)])
def test_an_empty_page_echoes_its_cursor(last: str, expected: int) -> None:
    page = parse_rows(last=last)

    assert len(page) == 0
    assert page.last_ns == expected


@pytest.mark.parametrize(
    "row",
    [
        ["nan", *ROW[1:]],
        ["inf", *ROW[1:]],
        ["0.0", *ROW[1:]],
        ["-1.0", *ROW[1:]],
        [ROW[0], "-0.1", *ROW[2:]],
        [*ROW[:3], "x", *ROW[4:]],
        [*ROW[:6], -1],
        [*ROW[:6], 2**63],
        [*ROW[:2], -5.0, *ROW[3:]],
        [*ROW[:2], None, *ROW[3:]],
        ROW[:3],
        {},
    ],
)
def test_a_row_no_trade_can_have_is_an_invalid_message(row: Any) -> None:
    with pytest.raises(InvalidMessageError):
        parse_rows(row, last=str(ROW_NS))


def test_two_pairs_in_one_answer_are_refused() -> None:
    with pytest.raises(InvalidMessageError, match="expected one pair"):
        rest_parser.parse_trades(b'{"A": [], "B": [], "last": "0"}', "BTC/USD")


def test_recorded_candles_are_split_into_closed_ones_and_the_running_one(
    recording: Recording,
) -> None:
    page = rest_parser.parse_ohlc(result_of(recording(OHLC)), "BTC/USDT")

    starts = np.array([candle.start_ms for candle in page.candles])
    assert len(page.candles) == 720
    assert (np.diff(starts) == 60_000).all()
    assert sum(candle.trade_count == 0 for candle in page.candles) == 215
    assert page.running is not None
    assert page.running.start_ms == 1762820220_000


def test_recorded_names_are_one_to_one_and_each_name_finds_its_product(
    asset_pairs_answer: bytes,
) -> None:
    entries = rest_parser.parse_asset_pairs(result_of(asset_pairs_answer))
    catalogue = ProductCatalogue.from_asset_pairs(entries)

    assert (len(entries), len(catalogue)) == (304, 293)
    for product in catalogue:
        assert [catalogue.product(name) for name in product.names] == [product] * 5
    assert len({product.product_id for product in catalogue}) == len(catalogue)
    assert not any({"XBT", "XDG"} & set(product.product_id.split("/")) for product in catalogue)


def test_todays_fields_of_a_pair_are_read(recording: Recording) -> None:
    entries = rest_parser.parse_asset_pairs(
        result_of(recording("rest_assetpairs_sample_2025.json"))
    )

    (product,) = ProductCatalogue.from_asset_pairs(entries)
    assert (product.product_id, product.price_decimals) == ("BTC/USDT", 1)
    assert (product.quantity_decimals, product.status) == (8, "online")


def test_time_and_status_are_read() -> None:
    time = b'{"unixtime":1762820224,"rfc1123":"Tue, 11 Nov 25 00:17:04 +0000"}'
    status = b'{"status":"online","timestamp":"2025-11-11T00:17:10Z"}'

    assert rest_parser.parse_time(time) == 1762820224000
    assert rest_parser.parse_system_status(status).status == "online"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["1.5", "nan", "b", "s", "1688669597827736999"]),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(st.sampled_from(["last", "error", "result", "A", "time"]), inner)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("parse", PARSERS)
@given(document=st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_parsed_or_is_an_invalid_message(
    parse: Callable[[bytes], object], document: bytes
) -> None:
    with contextlib.suppress(InvalidMessageError):
        parse(document)


@given(position=st.integers(min_value=0, max_value=6), value=JSON_VALUES)
def test_a_row_with_one_odd_item_is_parsed_or_is_an_invalid_message(
    position: int, value: Any
) -> None:
    row = list(ROW)
    row[position] = value
    with contextlib.suppress(InvalidMessageError):
        parse_rows(ROW, row, last=str(ROW_NS))
