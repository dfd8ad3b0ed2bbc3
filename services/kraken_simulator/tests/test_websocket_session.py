import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kraken_simulator.bootstrap import build_exchange
from kraken_simulator.exchange import Exchange
from kraken_simulator.faults import FaultInjector, Faults
from kraken_simulator.settings import Settings
from kraken_simulator.websocket_session import WebSocketSession

NOW_NS = 1_795_472_321_123_456_789
SECOND_NS = 10**9


class Conversation:
    """A session, and what it reported."""

    def __init__(self, exchange: Exchange | None = None, **faults: Any) -> None:
        self.exchange = exchange or build_exchange(Settings())
        self.reported: list[tuple[str, int, int]] = []
        self.faults: list[str] = []
        self.session = WebSocketSession(
            self.exchange,
            FaultInjector(Faults(**faults), seed=1),
            connection_id=6447481662169813000,
            on_trades_sent=lambda *report: self.reported.append(report),
            on_fault=self.faults.append,
        )

    def ask(self, request: dict[str, Any], now_ns: int = NOW_NS) -> list[dict[str, Any]]:
        return decoded(self.session.receive(json.dumps(request), now_ns))

    def subscribe(
        self, *symbols: str, snapshot: bool = False, now_ns: int = NOW_NS
    ) -> list[dict[str, Any]]:
        params = {"channel": "trade", "symbol": list(symbols), "snapshot": snapshot}
        return self.ask({"method": "subscribe", "params": params, "req_id": 1}, now_ns)


def decoded(frames: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in frames]


def ids_of(frames: Sequence[dict[str, Any]], symbol: str) -> list[int]:
    return [
        trade["trade_id"]
        for frame in frames
        if frame.get("channel") == "trade"
        for trade in frame["data"]
        if trade["symbol"] == symbol
    ]


def test_a_connection_is_greeted_with_the_recorded_status_frame() -> None:
    assert Conversation().session.greet() == [
        '{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online",'
        '"api_version":"v2","connection_id":6447481662169813000}]}'
    ]


def test_each_symbol_is_acknowledged_on_its_own_and_gets_its_snapshot() -> None:
    frames = Conversation().subscribe("BTC/USD", "QNT/USD", snapshot=True)
    assert frames[0] == {
        "method": "subscribe",
        "result": {"channel": "trade", "snapshot": True, "symbol": "BTC/USD"},
        "success": True,
        "time_in": "2026-11-23T22:18:41.123456Z",
        "time_out": "2026-11-23T22:18:41.123456Z",
        "req_id": 1,
    }
    assert frames[1]["type"] == "snapshot"
    assert len(ids_of(frames, "BTC/USD")) == 50
    assert frames[2]["result"]["symbol"] == "QNT/USD"
    assert len(ids_of(frames, "QNT/USD")) == 50
    assert len(frames) == 4


def test_updates_go_on_where_the_snapshot_ended() -> None:
    talk = Conversation()
    frames = talk.subscribe("BTC/USD", snapshot=True)
    frames += decoded(talk.session.advance(NOW_NS + 60 * SECOND_NS))
    ids = ids_of(frames, "BTC/USD")
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) > 60


def test_without_a_snapshot_only_later_trades_are_sent() -> None:
    talk = Conversation()
    assert ids_of(talk.subscribe("BTC/USD"), "BTC/USD") == []
    first_id = talk.exchange.markets["BTC/USD"].end_id(NOW_NS)
    sent = ids_of(decoded(talk.session.advance(NOW_NS + 60 * SECOND_NS)), "BTC/USD")
    assert sent[0] == first_id


@given(
    steps_ms=st.lists(st.integers(0, 20_000), min_size=1, max_size=30),
    asks_ping=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_however_time_passes_every_trade_is_sent_once_in_order_and_when_it_is_due(
    steps_ms: list[int], asks_ping: bool
) -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD", "DOGE/USD")
    frames: list[dict[str, Any]] = []
    now_ns = NOW_NS
    for step_ms in steps_ms:
        now_ns += step_ms * 10**6
        if asks_ping:
            frames += talk.ask({"method": "ping", "req_id": 7}, now_ns)
        else:
            frames += decoded(talk.session.advance(now_ns))
        # Whatever was said last, all trades up to now have been sent, and none of the future.
        for symbol in ("BTC/USD", "DOGE/USD"):
            market = talk.exchange.markets[symbol]
            expected = list(range(market.end_id(NOW_NS), market.end_id(now_ns)))
            assert ids_of(frames, symbol) == expected
        due_ns = talk.session.next_due_ns()
        assert due_ns is not None
        assert due_ns > now_ns


def test_trades_due_come_before_the_pong_that_names_their_time() -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD")
    frames = talk.ask({"method": "ping", "req_id": 42}, NOW_NS + 60 * SECOND_NS)
    assert [frame.get("channel") for frame in frames[:-1]] == ["trade"] * (len(frames) - 1)
    assert len(frames) > 1
    assert frames[-1] == {
        "method": "pong",
        "req_id": 42,
        "time_in": "2026-11-23T22:19:41.123456Z",
        "time_out": "2026-11-23T22:19:41.123456Z",
    }


def test_trades_due_come_before_a_heartbeat() -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD")
    frames = decoded(talk.session.heartbeat(NOW_NS + 60 * SECOND_NS))
    assert frames[-1] == {"channel": "heartbeat"}
    assert frames[0]["channel"] == "trade"


def test_one_frame_carries_several_trades_of_one_product_and_never_too_many() -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD", "ETH/USD")
    frames = decoded(talk.session.advance(NOW_NS + 3_600 * SECOND_NS))
    for frame in frames:
        assert len({trade["symbol"] for trade in frame["data"]}) == 1
        assert len(frame["data"]) <= 500
    assert max(len(frame["data"]) for frame in frames) > 100


def test_the_text_of_a_trade_has_bare_numbers_with_their_trailing_zeros(
    recorded_page: Path,
) -> None:
    exchange = build_exchange(Settings(recorded_trades={"BTC/USDT": recorded_page}))
    talk = Conversation(exchange)
    before_ns = 1_762_795_433 * SECOND_NS
    talk.subscribe("BTC/USDT", now_ns=before_ns)
    assert talk.session.advance(before_ns + SECOND_NS) == [
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USDT","side":"buy",'
        '"price":105433.6,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,'
        '"timestamp":"2025-11-10T17:23:53.971744Z"}]}'
    ]


def test_after_the_end_of_a_recording_nothing_is_due(recorded_page: Path) -> None:
    exchange = build_exchange(Settings(recorded_trades={"BTC/USDT": recorded_page}))
    talk = Conversation(exchange)
    talk.subscribe("BTC/USDT")
    assert talk.session.next_due_ns() is None
    assert talk.session.advance(NOW_NS + 10**15) == []


def test_an_unknown_symbol_fails_alone_as_recorded() -> None:
    talk = Conversation()
    bad, good = talk.subscribe("XBT/USD", "BTC/USD")
    assert bad == {
        "error": "Currency pair not supported XBT/USD",
        "method": "subscribe",
        "success": False,
        "symbol": "XBT/USD",
        "time_in": "2026-11-23T22:18:41.123456Z",
        "time_out": "2026-11-23T22:18:41.123456Z",
        "req_id": 1,
    }
    assert good["success"] is True


def test_subscribing_twice_is_refused_the_second_time() -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD")
    (frame,) = talk.subscribe("BTC/USD")
    assert (frame["error"], frame["symbol"]) == ("Already subscribed", "BTC/USD")


def test_unsubscribing_ends_the_updates() -> None:
    talk = Conversation()
    talk.subscribe("BTC/USD")
    request = {"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}
    (frame,) = talk.ask(request)
    assert frame["result"] == {"channel": "trade", "symbol": "BTC/USD"}
    assert (frame["method"], frame["success"]) == ("unsubscribe", True)
    assert talk.session.advance(NOW_NS + 3_600 * SECOND_NS) == []
    (again,) = talk.ask(request)
    assert (again["error"], again["method"]) == ("Subscription Not Found", "subscribe")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"method":5}',
        '{"method":"subscribe","params":{"channel":"trade"}}',
        '{"method":"subscribe","params":{"channel":"trade","symbol":"BTC/USD"}}',
        '{"method":"subscribe","params":{"channel":"trade","symbol":[5]}}',
        '{"method":"subscribe","params":{"channel":"nonsense","symbol":["BTC/USD"]}}',
        '{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]},"req_id":"one"}',
    ],
)
def test_a_malformed_request_is_refused_as_a_whole(text: str) -> None:
    (frame,) = decoded(Conversation().session.receive(text, NOW_NS))
    assert (frame["error"], frame["method"]) == ("Malformed request", "error")
    assert frame["success"] is False
    assert "symbol" not in frame


def test_bytes_that_are_not_text_are_malformed_too() -> None:
    (frame,) = decoded(Conversation().session.receive(b"\xff\xfe", NOW_NS))
    assert frame["error"] == "Malformed request"


def test_an_unknown_method_is_not_found() -> None:
    (frame,) = Conversation().ask({"method": "dance", "req_id": 3})
    assert (frame["error"], frame["req_id"]) == ("Event(s) not found", 3)


def test_dropped_messages_lose_their_trades_for_good() -> None:
    talk = Conversation(drop_message_probability=1.0)
    talk.subscribe("BTC/USD")
    assert talk.session.advance(NOW_NS + 60 * SECOND_NS) == []
    assert talk.session.advance(NOW_NS + 60 * SECOND_NS) == []
    assert "drop_message" in talk.faults


def test_duplicated_messages_come_twice() -> None:
    talk = Conversation(duplicate_message_probability=1.0)
    talk.subscribe("BTC/USD")
    first, second = talk.session.advance(NOW_NS + 60 * SECOND_NS)
    assert first == second
    assert talk.faults == ["duplicate_message"]


def test_a_missing_trade_is_in_no_update_and_no_snapshot() -> None:
    end_id = Conversation().exchange.markets["BTC/USD"].end_id(NOW_NS)
    talk = Conversation(missing_trade_ids={"BTC/USD": frozenset({end_id - 3, end_id + 2})})
    frames = talk.subscribe("BTC/USD", snapshot=True)
    frames += decoded(talk.session.advance(NOW_NS + 60 * SECOND_NS))
    ids = ids_of(frames, "BTC/USD")
    assert ids == [i for i in range(end_id - 51, ids[-1] + 1) if i not in (end_id - 3, end_id + 2)]
