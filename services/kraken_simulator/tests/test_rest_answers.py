import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kraken_simulator.bootstrap import build_exchange
from kraken_simulator.exchange import Exchange
from kraken_simulator.faults import Faults
from kraken_simulator.rest_answers import (
    RestError,
    asset_pairs_body,
    ohlc_body,
    server_time_body,
    since_nanoseconds,
    system_status_body,
    trades_body,
)
from kraken_simulator.settings import Settings

NOW_NS = 1_795_472_321_123_456_789
NO_FAULTS = Faults()


def make_exchange(**settings: Any) -> Exchange:
    return build_exchange(Settings(**settings))


def trades_result(
    exchange: Exchange,
    parameters: Mapping[str, str],
    *,
    now_ns: int = NOW_NS,
    faults: Faults = NO_FAULTS,
) -> tuple[str, list[list[Any]], str]:
    answer = json.loads(trades_body(exchange, parameters, now_ns, faults))
    assert answer["error"] == []
    last = answer["result"].pop("last")
    ((key, rows),) = answer["result"].items()
    return key, rows, last


def test_a_recorded_page_is_served_row_for_row_as_it_was_recorded(recorded_page: Path) -> None:
    exchange = make_exchange(recorded_trades={"BTC/USDT": recorded_page})
    recorded = json.loads(recorded_page.read_text())
    answer = json.loads(trades_body(exchange, {"pair": "XBTUSDT", "since": "0"}, NOW_NS, NO_FAULTS))
    assert answer == recorded


def test_the_text_of_a_row_is_kraken_s_own(recorded_page: Path) -> None:
    exchange = make_exchange(recorded_trades={"BTC/USDT": recorded_page})
    body = trades_body(exchange, {"pair": "XBT/USDT", "count": "1"}, NOW_NS, NO_FAULTS)
    assert body == (
        '{"error":[],"result":{"XBTUSDT":[["105899.40000","0.00009443",1762820035.9822779,'
        '"s","m","",10219207]],"last":"1762820035982277754"}}'
    )


@pytest.mark.parametrize("name", ["XBTUSD", "XXBTZUSD", "XBT/USD"])
def test_a_pair_may_be_named_in_three_ways_and_answers_under_its_internal_name(name: str) -> None:
    key, rows, _ = trades_result(make_exchange(), {"pair": name, "count": "2"})
    assert key == "XXBTZUSD"
    assert len(rows) == 2


@given(
    product=st.sampled_from([("BTC/USD", "XBTUSD"), ("QNT/USD", "QNTUSD")]),
    start_minutes_ago=st.integers(1, 3_000),
    count=st.integers(140, 1_000),
    repeated=st.sampled_from([0, 3]),
)
@settings(max_examples=20, deadline=None)
def test_following_last_yields_every_trade_once_after_removing_repeats(
    product: tuple[str, str], start_minutes_ago: int, count: int, repeated: int
) -> None:
    exchange = make_exchange()
    market = exchange.markets[product[0]]
    start_ns = NOW_NS - start_minutes_ago * 60 * 10**9
    expected = list(range(market.source.id_at(start_ns), market.end_id(NOW_NS)))[:5_000]
    faults = Faults(page_edge_duplicates=repeated)
    collected: dict[int, list[Any]] = {}
    since = str(start_ns)
    while expected and max(collected, default=0) < expected[-1]:
        parameters = {"pair": product[1], "since": since, "count": str(count)}
        _, rows, last = trades_result(exchange, parameters, faults=faults)
        assert any(row[6] not in collected for row in rows)
        assert [row[6] for row in rows] == list(range(rows[0][6], rows[0][6] + len(rows)))
        for row in rows:
            assert collected.setdefault(row[6], row) == row
        since = last
    assert [i for i in sorted(collected) if i in set(expected)] == expected


def test_since_is_inclusive_and_last_is_the_time_of_the_last_row_of_the_page() -> None:
    exchange = make_exchange()
    _, first_page, last = trades_result(
        exchange, {"pair": "XBTUSD", "since": str(NOW_NS - 10**13), "count": "1000"}
    )
    assert len(first_page) == 1_000
    assert len(last) == 19
    _, second_page, _ = trades_result(exchange, {"pair": "XBTUSD", "since": last})
    assert first_page[-1] in second_page
    assert second_page[0][2] == first_page[-1][2]


def test_the_time_of_a_row_is_the_float_nearest_to_its_nanoseconds() -> None:
    body = trades_body(make_exchange(), {"pair": "XBTUSD", "count": "1000"}, NOW_NS, NO_FAULTS)
    rows = json.loads(body, parse_float=str)["result"]
    last = rows["last"]
    shown = rows["XXBTZUSD"][-1][2]
    assert shown == repr(float(f"{last[:-9]}.{last[-9:]}"))


def test_without_since_the_newest_trades_come_oldest_first() -> None:
    exchange = make_exchange()
    _, rows, _ = trades_result(exchange, {"pair": "XBTUSD", "count": "10"})
    end_id = exchange.markets["BTC/USD"].end_id(NOW_NS)
    assert [row[6] for row in rows] == list(range(end_id - 10, end_id))


def test_trades_of_the_future_are_never_shown() -> None:
    exchange = make_exchange()
    _, rows, last = trades_result(exchange, {"pair": "XBTUSD", "since": str(NOW_NS - 10**10)})
    assert int(last) <= NOW_NS
    _, none, echo = trades_result(exchange, {"pair": "XBTUSD", "since": str(NOW_NS + 10**10)})
    assert none == []
    assert echo == str(NOW_NS + 10**10)
    assert len(rows) > 0


def test_a_lagging_rest_shows_trades_later() -> None:
    exchange = make_exchange()
    faults = Faults(rest_lag_ms=30_000)
    _, _, last = trades_result(exchange, {"pair": "XBTUSD"}, faults=faults)
    assert NOW_NS - 40 * 10**9 < int(last) <= NOW_NS - 30 * 10**9


def test_a_missing_trade_is_left_out_and_its_page_is_still_full() -> None:
    exchange = make_exchange()
    end_id = exchange.markets["BTC/USD"].end_id(NOW_NS)
    faults = Faults(missing_trade_ids={"BTC/USD": frozenset({end_id - 5, end_id - 6})})
    _, newest, last = trades_result(exchange, {"pair": "XBTUSD", "count": "10"}, faults=faults)
    assert [row[6] - end_id for row in newest] == [-12, -11, -10, -9, -8, -7, -4, -3, -2, -1]
    since = str(int(exchange.markets["BTC/USD"].next_due_ns(end_id - 30) or 0))
    parameters = {"pair": "XBTUSD", "since": since, "count": "1000"}
    _, onwards, _ = trades_result(exchange, parameters, faults=faults)
    ids = {row[6] for row in onwards}
    assert end_id - 5 not in ids
    assert {end_id - 4, end_id - 7, end_id - 1} <= ids
    assert int(last) <= NOW_NS


def test_repeated_rows_at_a_page_s_edge_come_from_before_since() -> None:
    exchange = make_exchange()
    parameters = {"pair": "XBTUSD", "since": str(NOW_NS - 10**12), "count": "100"}
    _, plain, _ = trades_result(exchange, parameters)
    faults = Faults(page_edge_duplicates=2)
    _, repeated, _ = trades_result(exchange, parameters, faults=faults)
    assert repeated[2:] == plain[:98]
    assert [row[6] for row in repeated[:2]] == [plain[0][6] - 2, plain[0][6] - 1]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1616663618", 1_616_663_618_000_000_000),
        ("1616666442304882029", 1_616_666_442_304_882_029),
        ("1616666442.304882029", 1_616_666_442_304_882_029),
        ("99999999999999999999999", 2**62),
    ],
)
def test_since_may_be_nanoseconds_or_seconds(text: str, nanoseconds: int) -> None:
    assert since_nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "EGeneral:Invalid arguments"),
        ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ({"pair": "XBTUSD", "since": "yesterday"}, "EGeneral:Invalid arguments:since"),
        ({"pair": "XBTUSD", "since": "-1"}, "EGeneral:Invalid arguments:since"),
        ({"pair": "XBTUSD", "since": "NaN"}, "EGeneral:Invalid arguments:since"),
        ({"pair": "XBTUSD", "count": "1001"}, "EGeneral:Invalid arguments:count"),
        ({"pair": "XBTUSD", "count": "0"}, "EGeneral:Invalid arguments:count"),
        ({"pair": "XBTUSD", "count": "many"}, "EGeneral:Invalid arguments:count"),
    ],
)
def test_wrong_arguments_are_errors_with_kraken_s_codes(
    parameters: dict[str, str], code: str
) -> None:
    with pytest.raises(RestError, match=f"^{code}$"):
        trades_body(make_exchange(), parameters, NOW_NS, NO_FAULTS)


def test_recorded_candles_come_out_of_the_recorded_trades(
    recorded_page: Path, recorded_candles: Path
) -> None:
    exchange = make_exchange(recorded_trades={"BTC/USDT": recorded_page})
    official = json.loads(recorded_candles.read_text())["result"]
    now_ns = 1_762_820_224 * 10**9
    result = json.loads(ohlc_body(exchange, {"pair": "XBTUSDT"}, now_ns, NO_FAULTS))["result"]
    assert result["last"] == official["last"]
    official_rows = {row[0]: row for row in official["XBTUSDT"]}
    # The first minute was under way when the recorded page begins.
    rebuilt = result["XBTUSDT"][1:]
    first_full_minute_s = 1_762_795_440
    assert [row[0] for row in rebuilt] == [s for s in official_rows if s >= first_full_minute_s]
    for row in rebuilt:
        expected = official_rows[row[0]]
        assert row[:5] == expected[:5]
        assert row[6:] == expected[6:]
        assert float(row[5]) == pytest.approx(float(expected[5]), abs=0.11)


def test_candles_are_720_committed_ones_and_the_running_one() -> None:
    answer = json.loads(ohlc_body(make_exchange(), {"pair": "QNTUSD"}, NOW_NS, NO_FAULTS))
    rows, last = answer["result"]["QNTUSD"], answer["result"]["last"]
    assert len(rows) == 721
    running_s = NOW_NS // 10**9 // 60 * 60
    assert [row[0] for row in rows] == list(range(running_s - 720 * 60, running_s + 60, 60))
    assert last == running_s - 60
    silent = next(row for row in rows if row[7] == 0)
    assert silent[1:5] == [silent[4]] * 4
    assert silent[5:] == ["0.0", "0.00000000", 0]


def test_the_running_candle_holds_only_what_has_happened() -> None:
    exchange = make_exchange()
    minute_ns = NOW_NS // (60 * 10**9) * 60 * 10**9
    early, late = (
        json.loads(ohlc_body(exchange, {"pair": "XBTUSD"}, minute_ns + part, NO_FAULTS))
        for part in (10 * 10**9, 59 * 10**9)
    )
    assert early["result"]["XXBTZUSD"][-1][7] < late["result"]["XXBTZUSD"][-1][7]
    assert early["result"]["XXBTZUSD"][:-1] == late["result"]["XXBTZUSD"][:-1]


def test_since_narrows_the_candles_but_reaches_no_further_back() -> None:
    exchange = make_exchange()
    since = NOW_NS // 10**9 // 60 * 60 - 180
    few = json.loads(
        ohlc_body(exchange, {"pair": "XBTUSD", "since": str(since)}, NOW_NS, NO_FAULTS)
    )
    assert [row[0] for row in few["result"]["XXBTZUSD"]] == [since + 60, since + 120, since + 180]
    many = json.loads(ohlc_body(exchange, {"pair": "XBTUSD", "since": "0"}, NOW_NS, NO_FAULTS))
    assert len(many["result"]["XXBTZUSD"]) == 721


def test_longer_intervals_hold_the_trades_of_their_minutes() -> None:
    exchange = make_exchange()
    minutes, fives = (
        json.loads(
            ohlc_body(exchange, {"pair": "XBTUSD", "interval": interval}, NOW_NS, NO_FAULTS)
        )["result"]["XXBTZUSD"]
        for interval in ("1", "5")
    )
    by_start = {row[0]: row for row in minutes}
    five = fives[-3]
    parts = [by_start[five[0] + second] for second in range(0, 300, 60)]
    assert five[1] == parts[0][1]
    assert five[4] == parts[-1][4]
    assert five[7] == sum(part[7] for part in parts)


def test_an_interval_kraken_does_not_have_is_an_error() -> None:
    with pytest.raises(RestError, match="Invalid arguments:interval"):
        ohlc_body(make_exchange(), {"pair": "XBTUSD", "interval": "2"}, NOW_NS, NO_FAULTS)


def test_asset_pairs_have_the_recorded_fields(
    recorded_page: Path, recorded_asset_pairs: Path
) -> None:
    exchange = make_exchange(recorded_trades={"BTC/USDT": recorded_page})
    recorded = json.loads(recorded_asset_pairs.read_text())["result"]["XBTUSDT"]
    answer = json.loads(asset_pairs_body(exchange, {"pair": "XBTUSDT"}))
    assert list(answer["result"]) == ["XBTUSDT"]
    entry = answer["result"]["XBTUSDT"]
    names = ("altname", "wsname", "base", "quote", "pair_decimals", "lot_decimals", "status")
    assert {name: entry[name] for name in names} == {name: recorded[name] for name in names}
    assert entry["tick_size"] == recorded["tick_size"]
    assert set(entry) <= set(recorded)


def test_all_asset_pairs_include_a_dark_pool_without_a_wsname() -> None:
    pairs = json.loads(asset_pairs_body(make_exchange(), {}))["result"]
    assert pairs["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert pairs["XDGUSD"]["wsname"] == "XDG/USD"
    assert "wsname" not in pairs["XXBTZUSD.d"]
    assert pairs["XXBTZUSD.d"]["altname"] == "XBTUSD.d"


def test_an_unknown_pair_among_known_ones_is_an_error() -> None:
    with pytest.raises(RestError, match="EQuery:Unknown asset pair"):
        asset_pairs_body(make_exchange(), {"pair": "XBTUSD,NOPE"})


def test_time_and_status_look_like_the_recorded_ones() -> None:
    now_ns = 1_762_820_224_999_999_999
    assert json.loads(server_time_body(now_ns))["result"] == {
        "unixtime": 1_762_820_224,
        "rfc1123": "Tue, 11 Nov 25 00:17:04 +0000",
    }
    assert json.loads(system_status_body(now_ns))["result"] == {
        "status": "online",
        "timestamp": "2025-11-11T00:17:04Z",
    }
