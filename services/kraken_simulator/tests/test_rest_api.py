import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kraken_simulator.testing import RunningSimulator, running_simulator

Fetch = Callable[..., Any]


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=("BTC/USD", "QNT/USD")) as running:
        yield running


def metric(simulator: RunningSimulator, name: str, **labels: str) -> float:
    full_name = f"candlecast_kraken_simulator_{name}"
    return simulator.simulator.metrics.registry.get_sample_value(full_name, labels) or 0.0


@pytest.mark.parametrize(
    "call", ["Time", "SystemStatus", "AssetPairs", "Trades?pair=XBTUSD", "OHLC?pair=QNTUSD"]
)
def test_every_endpoint_answers_and_says_that_it_is_simulated(
    simulator: RunningSimulator, fetch: Fetch, call: str
) -> None:
    answer = fetch(f"{simulator.rest_url}/0/public/{call}")
    assert answer.status == 200
    assert answer.headers["x-candlecast-simulator"] == "1"
    assert answer.json["error"] == []
    endpoint = call.partition("?")[0]
    assert metric(simulator, "requests_total", endpoint=endpoint, answer="ok") == 1.0


def test_an_error_is_an_answer_with_status_200(simulator: RunningSimulator, fetch: Fetch) -> None:
    answer = fetch(f"{simulator.rest_url}/0/public/Trades?pair=NOPE")
    assert (answer.status, answer.text) == (200, '{"error":["EQuery:Unknown asset pair"]}')
    assert answer.headers["x-candlecast-simulator"] == "1"


def test_an_unknown_method_is_an_error_of_kraken_s(
    simulator: RunningSimulator, fetch: Fetch
) -> None:
    answer = fetch(f"{simulator.rest_url}/0/public/Nonsense")
    assert answer.json == {"error": ["EGeneral:Unknown method"]}


def test_trades_and_candles_are_limited_by_pair_and_the_rest_by_caller(fetch: Fetch) -> None:
    with running_simulator(rest_calls_per_second=0.001, rest_calls_burst=1) as simulator:

        def error(call: str) -> Any:
            return fetch(f"{simulator.rest_url}/0/public/{call}").json["error"]

        limited = ["EAPI:Rate limit exceeded"]
        assert error("Trades?pair=XBTUSD") == []
        assert error("Trades?pair=XXBTZUSD") == limited
        assert error("Trades?pair=ETHUSD") == []
        assert error("OHLC?pair=XBTUSD") == []
        assert error("Time") == []
        assert error("SystemStatus") == limited


@pytest.mark.parametrize(
    ("fault", "statuses", "text"),
    [
        ("http_429", {429}, "Too Many Requests"),
        ("http_5xx", {500, 502, 503, 504, 520}, "error"),
        ("html", {200}, "<!DOCTYPE html>"),
        ("rate_limit", {200}, '{"error":["EAPI:Rate limit exceeded"]}'),
    ],
)
def test_a_rest_fault_that_is_switched_on_strikes_and_is_counted(
    simulator: RunningSimulator, fetch: Fetch, fault: str, statuses: set[int], text: str
) -> None:
    simulator.set_faults(**{f"{fault}_probability": 1.0})
    answer = fetch(f"{simulator.rest_url}/0/public/Time")
    assert answer.status in statuses
    assert answer.text.startswith(text)
    assert answer.headers["x-candlecast-simulator"] == "1"
    assert metric(simulator, "faults_injected_total", fault=fault) == 1.0
    simulator.set_faults(**{f"{fault}_probability": 0.0})
    assert fetch(f"{simulator.rest_url}/0/public/Time").json["error"] == []


def test_a_slow_answer_is_late_but_right(simulator: RunningSimulator, fetch: Fetch) -> None:
    simulator.set_faults(slow_probability=1.0, slow_seconds=0.3)
    start_seconds = time.monotonic()
    answer = fetch(f"{simulator.rest_url}/0/public/Time")
    assert time.monotonic() - start_seconds >= 0.3
    assert answer.json["error"] == []


def test_a_page_is_limited_by_server_time(simulator: RunningSimulator, fetch: Fetch) -> None:
    answer = fetch(f"{simulator.rest_url}/0/public/Trades?pair=XBTUSD").json
    assert int(answer["result"]["last"]) <= simulator.server_ms * 10**6 + 10**6


def test_a_year_old_minute_is_served_at_once(simulator: RunningSimulator, fetch: Fetch) -> None:
    since_ns = (simulator.server_ms - 365 * 86_400_000) * 10**6
    start_seconds = time.monotonic()
    answer = fetch(f"{simulator.rest_url}/0/public/Trades?pair=XBTUSD&since={since_ns}")
    assert time.monotonic() - start_seconds < 1.0
    rows = answer.json["result"]["XXBTZUSD"]
    assert len(rows) == 1_000
    assert rows[0][2] >= since_ns / 10**9
    assert json.loads(answer.text)["result"]["last"].isdigit()
