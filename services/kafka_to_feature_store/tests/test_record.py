"""What the topic's decoder lets through must be what the store's rows take.

A record that stopped the service would stop it again after every restart.
"""

import json

from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import decode_candle_record, encode_candle_record
from candlecast.store.candle_rows import candles_to_rows

from .candle_topic import make_candle

CANDLE = encode_candle_record(make_candle(5))


def with_field(name: str, value: object) -> bytes:
    return json.dumps({**json.loads(CANDLE), name: value}).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.one_of(
        st.none(),
        st.binary(),
        st.binary().map(lambda junk: CANDLE[:40] + junk + CANDLE[40:]),
        st.builds(with_field, st.sampled_from(sorted(json.loads(CANDLE))), json_values),
        st.just(b"[" * 100_000),
        st.just(CANDLE.replace(b'"trade_count":3', b'"trade_count":9223372036854775808')),
    )
)
def test_every_record_is_storable_or_invalid(value: bytes | None) -> None:
    try:
        record = decode_candle_record(value)
    except InvalidMessageError:
        return
    if isinstance(record, Candle):
        assert len(candles_to_rows([record])) == 1


def test_a_candle_comes_out_as_it_went_in() -> None:
    assert decode_candle_record(CANDLE) == make_candle(5)
