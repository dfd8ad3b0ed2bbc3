import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.kraken.websocket_parser import (
    Heartbeat,
    OtherFrame,
    Pong,
    Status,
    SubscribeAck,
    TradeUpdate,
    parse_frame,
)


def trade(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USD",
        "side": "sell",
        "price": 68466.9,
        "qty": 0.01919415,
        "ord_type": "market",
        "trade_id": 70635251,
        "timestamp": "2024-05-27T12:33:10.826003Z",
        **changes,
    }


def frame_of(*trades: dict[str, Any], kind: str = "update") -> bytes:
    return json.dumps({"channel": "trade", "type": kind, "data": trades}).encode()


def parse_trades(*trades: dict[str, Any], kind: str = "update") -> TradeUpdate:
    update = parse_frame(frame_of(*trades, kind=kind))
    assert isinstance(update, TradeUpdate)
    return update


def test_recorded_frames_are_of_the_expected_kinds(websocket_frames: list[bytes]) -> None:
    kinds = [type(parse_frame(message)) for message in websocket_frames]

    assert kinds == [SubscribeAck, SubscribeAck, Status, Heartbeat, Pong] + [TradeUpdate] * 7 + [
        OtherFrame
    ]


def test_a_recorded_snapshot_is_read_exactly(websocket_frames: list[bytes]) -> None:
    message = next(message for message in websocket_frames if b"70635251" in message)

    update = parse_frame(message, received_monotonic_seconds=12.5)

    assert isinstance(update, TradeUpdate)
    assert update.is_snapshot
    assert update.received_monotonic_seconds == 12.5
    (batch,) = update.batches
    assert batch.product_id == "BTC/USD"
    assert batch.trade_id.tolist() == [70635251, 70635252]
    assert batch.timestamp_ms.tolist() == [1716813190826, 1716813190980]
    assert batch.price.tolist() == [68466.9, 68471.2]
    assert batch.quantity.tolist() == [0.01919415, 0.00007723]
    assert batch.is_buy.tolist() == [False, True]


def test_bare_numbers_with_trailing_zeros_equal_rests_strings(
    websocket_frames: list[bytes],
) -> None:
    message = next(message for message in websocket_frames if b"0.00044780" in message)

    update = parse_frame(message)

    assert isinstance(update, TradeUpdate)
    assert update.batches[0].quantity.tolist() == [float("0.00044780")]


@given(st.integers(min_value=1, max_value=10**15 - 1), st.integers(min_value=0, max_value=10))
def test_fifteen_digits_of_a_price_survive(digits: int, decimals: int) -> None:
    text = f"{digits}e-{decimals}"
    message = frame_of(trade(price=1.0)).replace(b'"price": 1.0', f'"price": {text}'.encode())

    update = parse_frame(message)

    assert isinstance(update, TradeUpdate)
    assert update.batches[0].price.tolist() == [float(text)]


def test_each_trade_is_filed_under_its_own_symbol() -> None:
    update = parse_trades(
        trade(trade_id=1),
        trade(symbol="ETH/USD", trade_id=7),
        trade(trade_id=2),
        trade(symbol="ETH/USD", trade_id=8),
    )

    assert [(batch.product_id, batch.trade_id.tolist()) for batch in update.batches] == [
        ("BTC/USD", [1, 2]),
        ("ETH/USD", [7, 8]),
    ]


def test_a_frame_without_trades_has_no_batches() -> None:
    assert parse_trades().batches == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"price": 0.0},
        {"price": -1.0},
        {"price": "1.0"},
        {"qty": -0.1},
        {"qty": None},
        {"trade_id": -1},
        {"trade_id": 2**63},
        {"trade_id": 1.5},
        {"side": "b"},
        {"timestamp": "yesterday"},
        {"timestamp": 1716813190},
        {"symbol": 1},
    ],
)
def test_a_trade_that_cannot_be_is_an_invalid_message(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError):
        parse_frame(frame_of(trade(), trade(**changes)))


def test_a_trade_frame_that_is_neither_snapshot_nor_update_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="unknown type"):
        parse_frame(frame_of(trade(), kind="correction"))


def test_a_pong_carries_the_exchanges_clock_floored() -> None:
    message = b'{"method":"pong","req_id":42,"time_out":"2023-09-25T09:05:00.123999Z"}'

    assert parse_frame(message) == Pong(1695632700123, 42)


def test_a_refused_symbol_is_named() -> None:
    message = (
        b'{"error":"Currency pair not supported XBT/USD","method":"subscribe",'
        b'"success":false,"symbol":"XBT/USD"}'
    )

    assert parse_frame(message) == SubscribeAck(
        "XBT/USD", ok=False, error="Currency pair not supported XBT/USD"
    )


def test_a_refusal_without_a_symbol_is_about_the_whole_request() -> None:
    message = b'{"error":"Malformed request","method":"error","success":false}'

    assert parse_frame(message) == SubscribeAck(None, ok=False, error="Malformed request")


def test_a_connection_id_beyond_53_bits_does_no_harm() -> None:
    message = (
        b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"maintenance",'
        b'"api_version":"v2","connection_id":6447481662169813000}]}'
    )

    assert parse_frame(message) == Status("maintenance")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"channel":"trade","type":"update"}',
        b'{"channel":"trade","type":"update","data":{}}',
        b'{"channel":"status","type":"update","data":[]}',
        b'{"method":"pong"}',
        b'{"method":"subscribe","success":true,"result":[]}',
        b"[" * 100_000,
    ],
)
def test_malformed_frames_are_invalid_messages(message: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        parse_frame(message)


KEYS = ["channel", "type", "data", "method", "success", "error", "result", "symbol", "time_out"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["trade", "status", "update", "pong", "subscribe", "error", "heartbeat"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEYS, *trade()]), inner)
    ),
    max_leaves=15,
)


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(KEYS), VALUES).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes_is_parsed_or_is_an_invalid_message(message: bytes) -> None:
    with contextlib.suppress(InvalidMessageError):
        parse_frame(message)


@given(key=st.sampled_from(list(trade())), value=VALUES | st.floats(allow_nan=False))
def test_a_trade_with_one_odd_field_is_parsed_or_is_an_invalid_message(
    key: str, value: object
) -> None:
    with contextlib.suppress(InvalidMessageError):
        parse_frame(frame_of(trade(), trade(**{key: value})))
