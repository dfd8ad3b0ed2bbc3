"""Records of the producers of the public courses: one trade each, under their cohort's names."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.messaging.trades_record import (
    TradesRecord,
    decode_trades_record,
    encode_trades_record,
)
from candlecast.testing.strategies import json_values, mutated_json
from candlecast.testing.trades import columns_of

NOW_MS = 1_731_283_200_123
NOW_ISO = "2024-11-11T00:00:00.123000Z"
COHORT_1 = {"product_id": "BTC/USD", "price": 81.5, "volume": 0.25, "timestamp_ms": NOW_MS}
COHORT_1_FORK = {
    "product_id": "BTC/USD",
    "price": 81.5,
    "volume": 0.25,
    "timestamp_sec": 1731283200,
}
COHORT_2 = {"product_id": "BTC/USD", "quantity": 0.25, "price": 81.5, "timestamp_ms": NOW_MS}
COHORT_3 = {
    "pair": "BTC/USD",
    "price": 81.5,
    "volume": 0.25,
    "timestamp": NOW_ISO,
    "timestamp_ms": NOW_MS,
}
COHORT_4 = {
    "product_id": "BTC/USD",
    "price": 81.5,
    "quantity": 0.25,
    "timestamp": NOW_ISO,
    "timestamp_ms": NOW_MS,
}
EVERYTHING = {**COHORT_4, "trade_id": 7, "side": "buy", "watermark_ms": NOW_MS}


def decode(**fields: Any) -> TradesRecord:
    return decode_trades_record(json.dumps(fields).encode())


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


@pytest.mark.parametrize(
    ("fields", "timestamp_ms"),
    [
        (COHORT_1, NOW_MS),
        (COHORT_1_FORK, 1_731_283_200_000),
        (COHORT_2, NOW_MS),
        (COHORT_3, NOW_MS),
        (COHORT_4, NOW_MS),
        (without(COHORT_3, "timestamp_ms"), NOW_MS),
        ({**without(COHORT_2, "product_id", "quantity"), "symbol": "BTC/USD", "qty": 0.25}, NOW_MS),
    ],
)
def test_a_trade_of_every_cohort_is_a_batch_of_one(
    fields: dict[str, Any], timestamp_ms: int
) -> None:
    record = decode(**fields)

    assert columns_of(record.batch) == {
        "product_id": "BTC/USD",
        "trade_id": [0],
        "timestamp_ms": [timestamp_ms],
        "price": [81.5],
        "quantity": [0.25],
        "is_buy": [False],
    }
    assert (record.last_trade_id, record.last_timestamp_ms) == (0, timestamp_ms)


def test_the_trades_own_time_is_the_watermark_where_none_is_given() -> None:
    assert decode(**COHORT_2).watermark_ms == NOW_MS
    assert decode(**COHORT_2, watermark_ms=5).watermark_ms == 5
    assert decode(**COHORT_2, watermark_ms=None).watermark_ms == NOW_MS


def test_an_id_and_a_side_are_taken_where_they_are_given() -> None:
    record = decode(**EVERYTHING)

    assert (record.last_trade_id, record.batch.is_buy.tolist()) == (7, [True])
    assert decode(**COHORT_2, trade_id=None, side=None).batch.trade_id.tolist() == [0]


@pytest.mark.parametrize(("side", "is_buy"), [("buy", True), ("b", True), ("sell", False)])
def test_sides_are_words_or_letters(side: str, is_buy: bool) -> None:
    assert decode(**COHORT_2, side=side).batch.is_buy.tolist() == [is_buy]


@pytest.mark.parametrize(
    "text",
    [
        "2024-11-11T00:00:00.123Z",
        "2024-11-11T00:00:00.123999Z",
        "2024-11-11T00:00:00.123+00:00",
        "2024-11-11T01:00:00.123+01:00",
        "2024-11-10 19:00:00.123-05:00",
    ],
)
def test_times_in_words_are_floored_to_milliseconds_utc(text: str) -> None:
    assert decode(**without(COHORT_3, "timestamp_ms") | {"timestamp": text}).watermark_ms == NOW_MS


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is five hours behind UTC."""
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_without_a_zone_is_utc_wherever_the_service_runs(far_west: None) -> None:
    fields = without(COHORT_3, "timestamp_ms") | {"timestamp": "2024-11-11T00:00:00.123"}

    assert decode(**fields).watermark_ms == NOW_MS


def test_numbers_may_stand_in_quotes_as_krakens_rest_has_them() -> None:
    batch = decode(**COHORT_2 | {"price": "81.50000", "quantity": "0.25"}).batch

    assert (batch.price.tolist(), batch.quantity.tolist()) == ([81.5], [0.25])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"product_id": None, "pair": ""}, "pair is '', not a product's name"),
        ({"product_id": 5}, "product_id is 5, not a product's name"),
        ({"product_id": None}, "none of product_id, pair, symbol is given"),
        ({"quantity": None}, "none of quantity, volume, qty is given"),
        ({"timestamp_ms": None}, "none of timestamp_ms, timestamp, timestamp_sec is given"),
        ({"price": None}, "price is None, not a number"),
        ({"price": "dear"}, "price is 'dear', not a number"),
        ({"price": True}, "price is True, not a number above 0"),
        ({"price": 0}, "price is 0, not a number above 0"),
        ({"price": -1.5}, "price is -1.5, not a number above 0"),
        ({"price": "nan"}, "price is 'nan', not a number above 0"),
        ({"price": "inf"}, "price is 'inf', not a number above 0"),
        ({"price": {"usd": 1}}, "price is {'usd': 1}, not a number"),
        ({"quantity": [1]}, "quantity is [1], not a number"),
        ({"quantity": 0}, "quantity is 0, not a number above 0"),
        ({"quantity": 1e200}, "quantity is 1e+200, not a number above 0"),
        ({"trade_id": "7"}, "trade_id is '7', not a whole number from 0"),
        ({"trade_id": True}, "trade_id is True, not a whole number from 0"),
        ({"trade_id": -1}, "trade_id is -1, not a whole number from 0"),
        ({"trade_id": 2**63}, "trade_id is 9223372036854775808, not a whole number from 0"),
        ({"side": "up"}, "side is 'up', not buy or sell"),
        ({"side": ["buy"]}, "side is ['buy'], not buy or sell"),
        ({"watermark_ms": "soon"}, "watermark_ms is 'soon', not a whole number from 0"),
        ({"watermark_ms": 2**63}, "watermark_ms is 9223372036854775808, not a whole number"),
        ({"timestamp_ms": NOW_MS // 1000}, "timestamp_ms is 1731283200, which is not of this age"),
        ({"timestamp_ms": NOW_MS * 1000}, "timestamp_ms is 1731283200123000, which is not of"),
        ({"timestamp_ms": 1.5}, "timestamp_ms is 1.5, not a time"),
        ({"timestamp_ms": True}, "timestamp_ms is True, not a time"),
        ({"timestamp_ms": "today"}, "timestamp_ms is 'today', not an ISO 8601 time"),
        ({"timestamp_ms": "1969-12-31T00:00:00Z"}, "timestamp_ms is '1969-12-31T00:00:00Z', which"),
        ({"product_id": "x" * 500, "price": "x" * 500}, f"price is '{'x' * 79}..., not a number"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        decode(**COHORT_2 | changes)

    assert str(refused.value).startswith(said)


@settings(deadline=None)
@given(
    value=st.one_of(
        mutated_json(EVERYTHING),
        st.fixed_dictionaries(dict.fromkeys(EVERYTHING, json_values)).map(orjson.dumps),
    )
)
def test_nothing_but_an_invalid_message_error_is_raised_whatever_comes(value: bytes) -> None:
    with suppress(InvalidMessageError):
        record = decode_trades_record(value)
        assert decode_trades_record(encode_trades_record(record)).watermark_ms == (
            record.watermark_ms
        )
