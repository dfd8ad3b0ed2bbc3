"""The demo as a user runs it: until Ctrl-C, and once more."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from candlecast.embedded_broker import broker_status

pytestmark = [pytest.mark.end_to_end]

CANDLECAST = [sys.executable, "-m", "candlecast_tools"]
DEMO = [*CANDLECAST, "demo", "--source", "simulator", "--speed", "30", "--days", "0.05"]


def wait_for(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline_seconds = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_seconds, f"not within {seconds} s"
        time.sleep(0.1)


def run_demo_until_live_candles(directory: Path, output: Path) -> str:
    """Run the demo until it shows live candles, press Ctrl-C; return what it printed."""
    with output.open("wb") as file:
        demo = subprocess.Popen(DEMO, cwd=directory, stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for(
                lambda: output.read_text().count("QNT/USD  close") >= 2 or demo.poll() is not None,
                seconds=120,
            )
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 130, output.read_text()
        finally:
            demo.kill()
    return output.read_text()


def test_a_demo_that_is_stopped_leaves_nothing_running_and_goes_on_later(tmp_path: Path) -> None:
    text = run_demo_until_live_candles(tmp_path, tmp_path / "first.txt")
    assert "SIMULATED" in text
    assert "http://127.0.0.1:" in text
    assert broker_status(tmp_path / ".data" / "broker") is None
    assert not (tmp_path / ".data" / "simulator" / "processes.json").exists()

    run_demo_until_live_candles(tmp_path, tmp_path / "second.txt")
    # Between the two runs nothing was live; the second one's services caught up from the topic.
    environment = {**os.environ, "COLUMNS": "200"}
    checked = subprocess.run(
        [*CANDLECAST, "store", "check", "--source", "simulator", "--days", "0.05", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    products = json.loads(checked.stdout)["products"]
    assert set(products) == {"BTC/USD", "ETH/USD", "QNT/USD"}
