import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.market.open_window import flat_candle
from candlecast.messaging.candle_record import (
    EndOfStream,
    decode_candle_record,
    encode_candle_record,
)
from candlecast.testing.strategies import candles, json_values, mutated_json, product_ids

MINUTE_MS = 60_000
CANDLE = Candle(
    product_id="BTC/USD",
    timestamp_ms=1_760_000_040_000,
    start_ms=1_759_999_980_000,
    open=10.0,
    high=12.5,
    low=9.0,
    close=11.0,
    volume=2.5,
    vwap=10.2,
    trade_count=4,
    buy_volume=0.5,
    first_trade_id=1,
    last_trade_id=4,
)
FIELDS: dict[str, Any] = json.loads(encode_candle_record(CANDLE))


@given(record=st.one_of(candles(), st.builds(EndOfStream, product_ids)))
def test_a_record_is_read_as_it_was_written(record: Candle | EndOfStream) -> None:
    assert decode_candle_record(encode_candle_record(record)) == record


def test_the_bytes_are_those_of_the_design() -> None:
    assert encode_candle_record(CANDLE) == (
        b'{"product_id":"BTC/USD","timestamp_ms":1760000040000,"start_ms":1759999980000,'
        b'"open":10.0,"high":12.5,"low":9.0,"close":11.0,"volume":2.5,"vwap":10.2,'
        b'"trade_count":4,"buy_volume":0.5,"first_trade_id":1,"last_trade_id":4}'
    )
    assert encode_candle_record(EndOfStream("BTC/USD")) == (
        b'{"product_id":"BTC/USD","end_of_stream":true}'
    )


def test_the_end_of_a_stream_may_be_written_with_spaces() -> None:
    value = json.dumps({"product_id": "BTC/USD", "end_of_stream": True}, indent=1).encode()

    assert decode_candle_record(value) == EndOfStream("BTC/USD")


@pytest.mark.parametrize(
    "fields",
    [
        {**FIELDS, "end_of_stream": False},
        {**FIELDS, "product_id": "end_of_stream"},
        {**FIELDS, "new": [1, {"deep": None}]},
    ],
)
def test_a_candle_is_a_candle_whatever_else_it_says(fields: dict[str, Any]) -> None:
    candle = decode_candle_record(json.dumps(fields).encode())

    assert isinstance(candle, Candle)
    assert candle.close == CANDLE.close


def test_a_flat_candle_is_one() -> None:
    flat = flat_candle("BTC/USD", 1_759_999_980_000, MINUTE_MS, 10.0)

    assert decode_candle_record(encode_candle_record(flat)) == flat


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_that_is_missing_is_named(name: str) -> None:
    value = json.dumps({key: FIELDS[key] for key in FIELDS if key != name}).encode()

    with pytest.raises(InvalidMessageError, match=f"^not a candle: {name} is not given$"):
        decode_candle_record(value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"product_id": ""}, "product_id is empty"),
        ({"product_id": 5}, "product_id is 5: Expected `str`, got `int`"),
        ({"open": "10"}, "open is '10': Expected `float`, got `str`"),
        ({"open": None}, "open is None: Expected `float`, got `null`"),
        ({"close": True}, "close is True: Expected `float`, got `bool`"),
        ({"low": 10.5}, "low 10.5 is not the lowest price above 0"),
        ({"low": 0}, "low 0.0 is not the lowest price above 0"),
        ({"low": -9}, "low -9.0 is not the lowest price above 0"),
        ({"high": 10.5}, "high 10.5 is not the highest price"),
        ({"high": 1e150}, "high 1e+150 is not the highest price"),
        ({"start_ms": 1.5}, "start_ms is 1.5: Expected `int`, got `float`"),
        ({"start_ms": 0}, "it starts at 0 and ends at 1760000040000"),
        ({"start_ms": 1_760_000_040_000}, "it starts at 1760000040000 and ends at 1760000040000"),
        ({"timestamp_ms": 10**16}, "it starts at 1759999980000 and ends at 10000000000000000"),
        ({"volume": -1}, "volume is -1.0"),
        ({"vwap": -1}, "vwap is -1.0"),
        ({"buy_volume": -1}, "buy_volume is -1.0"),
        ({"trade_count": -1}, "trade_count is -1"),
        ({"trade_count": 2**70}, "trade_count is "),
        ({"first_trade_id": -1}, "first_trade_id is -1"),
        ({"last_trade_id": 2**63}, "last_trade_id is 9223372036854775808"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        decode_candle_record(json.dumps({**FIELDS, **changes}).encode())

    assert str(refused.value).startswith(f"not a candle: {said}")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff",
        b'{"product_id": "\xff", "end_of_stream": true}',
        b"[]",
        b"{}",
        b'{"end_of_stream": true}',
        b'{"end_of_stream": true, "product_id": ""}',
        b'{"x":' * 1_010 + b"1" + b"}" * 1_010,
    ],
)
def test_what_is_no_candle_is_refused(value: bytes | None) -> None:
    with pytest.raises(InvalidMessageError):
        decode_candle_record(value)


@settings(deadline=None)
@given(value=st.one_of(st.binary(), json_values.map(orjson.dumps), mutated_json(FIELDS)))
def test_nothing_but_an_invalid_message_error_is_raised_whatever_comes(value: bytes) -> None:
    with suppress(InvalidMessageError):
        record = decode_candle_record(value)
        assert decode_candle_record(encode_candle_record(record)) == record
