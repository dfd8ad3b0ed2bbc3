import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import (
    StreamStart,
    TradesRecord,
    decode_trades_record,
    encode_trades_record,
)
from candlecast.testing.strategies import json_values, mutated_json, trades_records
from candlecast.testing.trades import columns_of, make_batch

NOW_MS = 1_760_000_000_000
RECORD = TradesRecord(
    batch=make_batch((NOW_MS, 10.5), (NOW_MS + 1, 11.0), first_id=7, quantity=0.25),
    last_trade_id=8,
    last_timestamp_ms=NOW_MS + 1,
    watermark_ms=NOW_MS,
)
FIELDS: dict[str, Any] = json.loads(encode_trades_record(RECORD))


def fields_of(record: TradesRecord) -> dict[str, object]:
    return {
        **columns_of(record.batch),
        "last_trade_id": record.last_trade_id,
        "last_timestamp_ms": record.last_timestamp_ms,
        "watermark_ms": record.watermark_ms,
        "end_of_stream": record.end_of_stream,
        "start": record.start,
    }


def outcome_of(value: bytes) -> TradesRecord | InvalidMessageError:
    try:
        return decode_trades_record(value)
    except InvalidMessageError as refused:
        return refused


def complaint(**changes: Any) -> str:
    """What is said about a good record with some fields changed."""
    with pytest.raises(InvalidMessageError) as refused:
        decode_trades_record(json.dumps({**FIELDS, **changes}).encode())
    return str(refused.value)


@given(record=trades_records())
def test_a_record_is_read_as_it_was_written(record: TradesRecord) -> None:
    assert fields_of(decode_trades_record(encode_trades_record(record))) == fields_of(record)


def test_the_bytes_are_those_of_the_design() -> None:
    assert encode_trades_record(RECORD) == (
        b'{"product_id":"BTC/USD","trade_id":[7,8],"timestamp_ms":[1760000000000,1760000000001],'
        b'"price":[10.5,11.0],"quantity":[0.25,0.25],"side":"ss","last_trade_id":8,'
        b'"last_timestamp_ms":1760000000001,"watermark_ms":1760000000000,"end_of_stream":false}'
    )


def test_the_first_record_says_where_the_stream_starts() -> None:
    start = StreamStart(timestamp_ms=NOW_MS, previous_close=None)
    record = TradesRecord(
        batch=TradeBatch.empty("BTC/USD"),
        last_trade_id=0,
        last_timestamp_ms=0,
        watermark_ms=0,
        start=start,
    )
    value = encode_trades_record(record)

    assert json.loads(value)["stream_start_ms"] == NOW_MS
    assert json.loads(value)["previous_close"] is None
    assert decode_trades_record(value).start == start


def test_rows_chosen_from_a_batch_are_written_in_their_order() -> None:
    record = TradesRecord(
        batch=RECORD.batch.select(slice(None, None, -1)),
        last_trade_id=8,
        last_timestamp_ms=NOW_MS,
        watermark_ms=NOW_MS,
    )

    assert decode_trades_record(encode_trades_record(record)).batch.trade_id.tolist() == [8, 7]


def test_whole_numbers_are_good_prices_and_quantities() -> None:
    record = decode_trades_record(json.dumps({**FIELDS, "price": [10, 2**64]}).encode())

    assert record.batch.price.tolist() == [10.0, 2.0**64]


def test_fields_of_a_later_version_are_ignored() -> None:
    value = json.dumps({**FIELDS, "new": [1, {"deep": None}]}).encode()

    assert fields_of(decode_trades_record(value)) == fields_of(RECORD)


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - {"end_of_stream", "price"}))
def test_a_field_that_is_missing_is_named(name: str) -> None:
    value = json.dumps({key: FIELDS[key] for key in FIELDS if key != name}).encode()

    with pytest.raises(InvalidMessageError, match=f"^{name} is not given$"):
        decode_trades_record(value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"product_id": ""}, "product_id is '': Expected `str` of length >= 1"),
        ({"product_id": None}, "product_id is None: Expected `str`, got `null`"),
        ({"trade_id": "7"}, "trade_id is '7': Expected `array`, got `str`"),
        ({"trade_id": [7, "8"]}, "trade_id[1] is '8': Expected `int`, got `str`"),
        ({"trade_id": [True, 8]}, "trade_id[0] is True: Expected `int`, got `bool`"),
        ({"trade_id": [7, 8.0]}, "trade_id[1] is 8.0: Expected `int`, got `float`"),
        ({"trade_id": [-1, 8]}, "trade_id[0] is -1: Expected `int` >= 0"),
        ({"trade_id": [7, 2**63]}, "trade_id[1] is 9223372036854775808: Expected `int` <= "),
        ({"trade_id": [7, 10**400]}, "not JSON"),
        ({"trade_id": [[7], [8]]}, "trade_id[0] is [7]: Expected `int`, got `array`"),
        ({"timestamp_ms": [0, NOW_MS]}, "timestamp_ms[0] is 0: Expected `int` >= 1"),
        ({"timestamp_ms": [NOW_MS, None]}, "timestamp_ms[1] is None: Expected `int`"),
        ({"timestamp_ms": [NOW_MS * 1000, 1]}, "timestamp_ms[0] is 1760000000000000: Expected"),
        ({"price": [0, 1]}, "price[0] is 0: Expected `float` > 0.0"),
        ({"price": [1.5, -2]}, "price[1] is -2: Expected `float` > 0.0"),
        ({"price": [1.5, True]}, "price[1] is True: Expected `float`, got `bool`"),
        ({"price": [1e300, 1.5]}, "price[0] is 1e+300: Expected `float` < 1e+100"),
        ({"price": [1.5, "2"]}, "price[1] is '2': Expected `float`, got `str`"),
        ({"quantity": [1, -1e-8]}, "quantity[1] is -1e-08: Expected `float` >= 0.0"),
        ({"quantity": {}}, "quantity is {}: Expected `array`, got `object`"),
        ({"side": "bx"}, "side[1] is 'x', not b or s"),
        ({"side": ["b", "s"]}, "side is ['b', 's']: Expected `str`, got `array`"),
        ({"side": "b"}, "the columns differ in length: {'trade_id': 2, 'timestamp_ms': 2,"),
        ({"side": "ü"}, "the columns differ in length"),
        ({"side": "bü"}, "side[1] is 'ü', not b or s"),
        ({"price": [1.5]}, "the columns differ in length"),
        ({"last_trade_id": -1}, "last_trade_id is -1: Expected `int` >= 0"),
        ({"last_timestamp_ms": 1.5}, "last_timestamp_ms is 1.5: Expected `int`"),
        ({"watermark_ms": False}, "watermark_ms is False: Expected `int`, got `bool`"),
        ({"watermark_ms": 2**64}, "watermark_ms is 1.8446744073709552e+19: Expected `int` <= "),
        ({"end_of_stream": 1}, "end_of_stream is 1: Expected `bool`, got `int`"),
        ({"stream_start_ms": "now"}, "stream_start_ms is 'now': Expected `int | null`"),
        (
            {"stream_start_ms": 1, "previous_close": 0},
            "previous_close is 0: Expected `float` > 0.0",
        ),
        (
            {"stream_start_ms": 1, "previous_close": True},
            "previous_close is True: Expected `float | null`, got `bool`",
        ),
        ({"trade_id": "x" * 500}, f"trade_id is '{'x' * 79}...: Expected"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(changes: dict[str, Any], said: str) -> None:
    assert complaint(**changes).startswith(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "the record has no value"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"product_id": "\xff"}', "not JSON"),
        (b'{"price": NaN}', "not JSON"),
        (b'{"price": [1e999]}', "not JSON"),
        (b"[]", r"\[\] is not a JSON object"),
        (b'"trade"', "'trade' is not a JSON object"),
        (b"{}", "product_id is not given"),
        (b"[" * 100_000, "not JSON"),
        (b'{"x":' * 1_010 + b"1" + b"}" * 1_010, "maximum recursion depth"),
        (b'{"price":["x"],"price":[]}', r"price\[0\] is \?: Expected `float`"),
    ],
)
def test_what_is_no_record_is_refused_with_a_reason(value: bytes | None, said: str) -> None:
    with pytest.raises(InvalidMessageError, match=said):
        decode_trades_record(value)


@settings(deadline=None)
@given(value=st.one_of(st.binary(), json_values.map(orjson.dumps), mutated_json(FIELDS)))
def test_nothing_but_an_invalid_message_error_is_raised_whatever_comes(value: bytes) -> None:
    outcome = outcome_of(value)

    if isinstance(outcome, TradesRecord):
        assert fields_of(decode_trades_record(encode_trades_record(outcome))) == fields_of(outcome)
    else:
        assert "\n" not in str(outcome)
        assert 0 < len(str(outcome)) < 400
