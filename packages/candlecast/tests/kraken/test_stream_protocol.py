import json
from typing import Any

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast.kraken.stream_protocol import (
    ServerTime,
    StatusChanged,
    StreamProtocol,
    Subscribed,
    SubscriptionRejected,
    UnreadableMessage,
)
from candlecast.kraken.websocket_parser import TradeUpdate

HEARTBEAT = b'{"channel":"heartbeat"}'
NOW = 1000.0


def opened(*product_ids: str) -> StreamProtocol:
    protocol = StreamProtocol(product_ids or ("BTC/USD", "ETH/USD"))
    protocol.open(NOW)
    return protocol


def ack(symbol: str) -> bytes:
    result = {"channel": "trade", "snapshot": True, "symbol": symbol}
    return json.dumps({"method": "subscribe", "result": result, "success": True}).encode()


def refusal(error: str, **more: Any) -> bytes:
    return json.dumps({"method": "subscribe", "success": False, "error": error, **more}).encode()


def decoded(messages: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def test_it_begins_with_one_subscription_with_snapshot_and_a_ping() -> None:
    messages = StreamProtocol(["BTC/USD", "ETH/USD", "BTC/USD"]).open(NOW)

    assert decoded(messages) == [
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": True},
            "req_id": 1,
        },
        {"method": "ping", "req_id": 2},
    ]


def test_a_ping_is_due_once_a_second_with_a_number_of_its_own() -> None:
    protocol = opened()

    sent = [decoded(protocol.check(NOW + tenths / 10)) for tenths in range(1, 31)]

    assert [message["req_id"] for messages in sent for message in messages] == [3, 4, 5]


def test_a_pong_is_the_exchanges_clock_with_its_arrival() -> None:
    pong = b'{"method":"pong","req_id":2,"time_out":"2023-09-25T09:05:00.123500Z"}'

    assert opened().receive(pong, NOW + 0.5) == [ServerTime(1695632700123, NOW + 0.5)]


def test_each_symbol_is_acknowledged_once() -> None:
    protocol = opened()

    assert protocol.receive(ack("ETH/USD"), NOW) == [Subscribed("ETH/USD")]
    assert protocol.receive(ack("ETH/USD"), NOW) == []
    assert protocol.receive(ack("BTC/USD"), NOW) == [Subscribed("BTC/USD")]


def test_already_subscribed_is_as_good_as_an_acknowledgement() -> None:
    message = refusal("Already subscribed", symbol="BTC/USD")

    assert opened().receive(message, NOW) == [Subscribed("BTC/USD")]


def test_an_unknown_symbol_is_named_and_the_others_go_on() -> None:
    protocol = opened("XBT/USD", "ETH/USD")

    (event,) = protocol.receive(
        refusal("Currency pair not supported XBT/USD", symbol="XBT/USD"), NOW
    )

    assert isinstance(event, SubscriptionRejected)
    assert event.product_id == "XBT/USD"
    assert isinstance(event.error, ConfigurationError)
    assert "XBT/USD" in str(event.error)
    assert protocol.receive(ack("ETH/USD"), NOW) == [Subscribed("ETH/USD")]
    protocol.receive(HEARTBEAT, NOW + 15.0)
    protocol.check(NOW + 15.0)


def test_when_no_symbol_is_known_it_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="XBT/USD"):
        opened("XBT/USD").receive(
            refusal("Currency pair not supported XBT/USD", symbol="XBT/USD"), NOW
        )


def test_a_refusal_of_the_whole_request_is_a_configuration_error() -> None:
    message = b'{"error":"Malformed request","method":"error","success":false}'

    with pytest.raises(ConfigurationError, match="BTC/USD, ETH/USD: Malformed request"):
        opened().receive(message, NOW)


def test_a_refusal_that_may_pass_is_transient() -> None:
    with pytest.raises(TransientError, match="ETH/USD was refused: Internal error"):
        opened().receive(refusal("Internal error", symbol="ETH/USD"), NOW)


def test_missing_acknowledgements_are_named_when_the_time_is_up() -> None:
    protocol = opened()
    protocol.receive(ack("BTC/USD"), NOW)
    protocol.receive(HEARTBEAT, NOW + 9.0)

    with pytest.raises(TransientError, match="no answer to subscribing ETH/USD within 10 s"):
        protocol.check(NOW + 10.0)


def test_ten_seconds_without_any_message_end_the_connection() -> None:
    protocol = opened("BTC/USD")
    protocol.receive(ack("BTC/USD"), NOW + 0.1)

    protocol.check(NOW + 10.0)
    with pytest.raises(TransientError, match="no message for 10 s"):
        protocol.check(NOW + 10.1)


def test_heartbeats_are_signs_of_life_and_no_events() -> None:
    protocol = opened("BTC/USD")
    protocol.receive(ack("BTC/USD"), NOW)

    for second in range(1, 60):
        assert protocol.receive(HEARTBEAT, NOW + second) == []
        protocol.check(NOW + second)


def test_time_in_which_nobody_listened_is_not_silence() -> None:
    protocol = opened("BTC/USD")
    protocol.receive(ack("BTC/USD"), NOW)

    protocol.excuse(30.0)

    protocol.check(NOW + 39.9)
    with pytest.raises(TransientError):
        protocol.check(NOW + 40.0)


def test_the_next_deadline_is_the_earliest_thing_due() -> None:
    protocol = opened()

    assert protocol.next_deadline == NOW + 1.0


def test_maintenance_is_told_and_remembered() -> None:
    protocol = opened()
    status = b'{"channel":"status","type":"update","data":[{"system":"maintenance"}]}'

    assert protocol.receive(status, NOW) == [StatusChanged("maintenance")]
    assert protocol.system == "maintenance"


def test_a_message_that_cannot_be_read_is_reported_and_not_fatal() -> None:
    (event,) = opened().receive(b'{"channel":"trade","type":"update"}', NOW)

    assert isinstance(event, UnreadableMessage)
    assert event.message == b'{"channel":"trade","type":"update"}'


def test_trades_carry_the_moment_of_their_arrival(websocket_frames: list[bytes]) -> None:
    message = next(message for message in websocket_frames if b'"trade_id": 72823289' in message)

    (event,) = opened().receive(message, NOW + 0.25)

    assert isinstance(event, TradeUpdate)
    assert event.received_monotonic_seconds == NOW + 0.25
