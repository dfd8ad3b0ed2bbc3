"""The simulator as a process: start, answer, stop, die, start again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import connect

Fetch = Callable[..., Any]
PATIENCE_SECONDS = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def service(**settings: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the service until the block ends; yields it with the line it says at its start."""
    environment = {**os.environ, "METRICS_PORT": "0", "SIMULATOR_PORT": "0", **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "kraken_simulator"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        try:
            yield process, json.loads(process.stderr.readline())
        finally:
            process.kill()


def test_sigterm_stops_the_service_quickly_with_exit_code_0(fetch: Fetch) -> None:
    with service(PRODUCTS="QNT/USD") as (process, line):
        assert line["event"] == "simulator_listening"
        assert fetch(f"{line['rest_url']}/0/public/Time").json["error"] == []
        with connect(line["websocket_url"]) as websocket:
            # An open conversation must not hold the exit up.
            assert json.loads(websocket.recv(timeout=PATIENCE_SECONDS))["channel"] == "status"
            start_seconds = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
            assert time.monotonic() - start_seconds < 3.0


def test_a_killed_simulator_goes_on_where_its_anchors_say(fetch: Fetch) -> None:
    settings = {
        "SPEED": "60",
        "CLOCK_ANCHOR_WALL_MS": str(time.time_ns() // 10**6),
        "CLOCK_ANCHOR_SERVER_MS": "1750000000000",
        "SIMULATOR_PORT": str(free_port()),
        "REST_CALLS_PER_SECOND": "0",
    }
    newest: list[list[Any]] = []
    since = ""
    for _ in range(2):
        with service(**settings) as (process, line):
            url = f"{line['rest_url']}/0/public/Trades?pair=XBTUSD{since}"
            result = fetch(url).json["result"]
            newest.append(result["XXBTZUSD"])
            since = f"&since={result['last']}"
            process.kill()
    first, second = newest
    # The second life begins with the last trade of the first one, and time has gone on.
    assert second[0][2] == first[-1][2]
    assert first[-1] in second
    assert second[-1][6] > first[-1][6]
    assert 1_750_000_000 < second[-1][2] < 1_750_000_000 + 60 * 60


def test_a_port_that_is_taken_is_a_configuration_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with service(SIMULATOR_PORT=str(port)) as (process, line):
            assert process.wait(PATIENCE_SECONDS) == 78
            assert line["event"] == "configuration_error"
            assert line["reason"].startswith(f"SIMULATOR_PORT={port}: cannot listen")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SPEED", "-1"),
        ("PRODUCTS", "NOPE/USD"),
        ("FAULTS", "{"),
        ("RECORDED_TRADES", '{"BTC/USD": "/nowhere"}'),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_78(variable: str, value: str) -> None:
    with service(**{variable: value}) as (process, line):
        assert process.wait(PATIENCE_SECONDS) == 78
        assert line["event"] == "configuration_error"
        assert process.stderr is not None
        assert process.stderr.read() == ""
