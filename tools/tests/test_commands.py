"""The commands that read the store: what they print, and their exit codes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from candlecast.market.candle import Candle
from candlecast.market.open_window import flat_candle
from candlecast.market.time_grid import DAY_MS, MINUTE_MS
from candlecast.store.candle_rows import candles_to_rows
from candlecast.store.feature_group import ohlc_feature_group
from candlecast.store.local import LocalFeatureStore
from kraken_simulator.testing import RunningSimulator, running_simulator

MINUTES = 30


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(products=("BTC/USD", "QNT/USD")) as simulator:
        yield simulator


@pytest.fixture
def start_ms(simulator: RunningSimulator) -> int:
    return (simulator.server_ms - DAY_MS) // DAY_MS * DAY_MS


def true_candles(
    simulator: RunningSimulator, product_id: str, start_ms: int, minutes: int = MINUTES
) -> list[Candle]:
    end_ms = start_ms + minutes * MINUTE_MS
    return [Candle(**fields) for fields in simulator.truth(product_id, start_ms, end_ms)]


def store_candles(directory: Path, candles: Sequence[Candle]) -> None:
    path = directory / ".data" / "simulator" / "feature_store"
    path.parent.mkdir(parents=True, exist_ok=True)
    with LocalFeatureStore(path, "simulator") as store:
        store.write_offline(ohlc_feature_group(), candles_to_rows(candles))


def candlecast(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "candlecast_tools", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )


def check(
    directory: Path, simulator: RunningSimulator, *more: str
) -> subprocess.CompletedProcess[str]:
    return candlecast(
        directory,
        "store",
        "check",
        "--source",
        "simulator",
        "--exchange",
        simulator.rest_url,
        *more,
    )


def test_a_store_equal_to_the_exchange_is_complete(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    store_candles(tmp_path, true_candles(simulator, "BTC/USD", start_ms))
    ended = check(tmp_path, simulator, "--days", str(MINUTES / 1440), "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["is_clean"] is True
    assert report["market_data_source"] == "simulator"
    assert report["products"]["BTC/USD"]["verified_minutes"] == MINUTES


def test_a_missing_minute_is_named_and_ends_with_exit_code_1(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    candles = true_candles(simulator, "BTC/USD", start_ms)
    del candles[10]
    store_candles(tmp_path, candles)
    ended = check(tmp_path, simulator, "--days", str(MINUTES / 1440))
    assert ended.returncode == 1
    assert "BTC/USD missing" in ended.stdout
    assert "00:10" in ended.stdout
    assert "INCOMPLETE" in ended.stdout


def test_a_number_that_is_not_the_exchanges_ends_with_exit_code_1(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    candles = true_candles(simulator, "QNT/USD", start_ms)
    last = candles[-1]
    candles[-1] = flat_candle("QNT/USD", last.start_ms, MINUTE_MS, last.close * (1 + 1e-9))
    store_candles(tmp_path, candles)
    ended = check(tmp_path, simulator, "--days", str(MINUTES / 1440))
    assert ended.returncode == 1
    assert "the exchange has" in ended.stdout


def test_without_the_exchange_only_presence_is_checked_and_said_so(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    store_candles(tmp_path, true_candles(simulator, "BTC/USD", start_ms))
    arguments = ("--source", "simulator", "--exchange", "http://127.0.0.1:9")
    ended = candlecast(tmp_path, "store", "check", *arguments, "--days", str(MINUTES / 1440))
    assert ended.returncode == 0
    assert "only presence is checked" in ended.stderr


def test_an_empty_place_is_one_clear_line(tmp_path: Path) -> None:
    ended = candlecast(tmp_path, "store", "check", "--source", "simulator")
    assert ended.returncode == 78
    assert "there is no store at" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_simulated_store_is_not_read_as_a_real_one(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    store_candles(tmp_path, true_candles(simulator, "BTC/USD", start_ms))
    store = str(tmp_path / ".data" / "simulator" / "feature_store")
    ended = candlecast(tmp_path, "store", "check", "--source", "kraken", "--store", store)
    assert ended.returncode == 78
    assert "simulator" in ended.stderr


def test_candles_are_read_as_a_table_as_json_and_as_csv(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    candles = true_candles(simulator, "BTC/USD", start_ms)
    store_candles(tmp_path, candles)
    read = ("ohlc", "read", "--source", "simulator", "--product", "BTC/USD", "--minutes", "5")
    table = candlecast(tmp_path, *read)
    assert table.returncode == 0, table.stderr
    assert "SIMULATED" in table.stdout
    assert "5 candles" in table.stdout
    lines = candlecast(tmp_path, *read, "--json").stdout.splitlines()
    assert [json.loads(line)["close"] for line in lines] == [each.close for each in candles[-5:]]
    csv = candlecast(tmp_path, *read, "--csv", "candles.csv")
    assert csv.returncode == 0, csv.stderr
    assert len((tmp_path / "candles.csv").read_text().splitlines()) == 6


def test_an_unknown_product_is_one_clear_line(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    store_candles(tmp_path, true_candles(simulator, "BTC/USD", start_ms))
    ended = candlecast(tmp_path, "ohlc", "read", "--source", "simulator", "--product", "XYZ/USD")
    assert ended.returncode == 78
    assert "'XYZ/USD'; it has BTC/USD" in ended.stderr


def test_a_time_that_is_none_is_one_clear_line(
    tmp_path: Path, simulator: RunningSimulator, start_ms: int
) -> None:
    store_candles(tmp_path, true_candles(simulator, "BTC/USD", start_ms))
    ended = check(tmp_path, simulator, "--start", "yesterday")
    assert ended.returncode == 78
    assert "'yesterday' is not a time" in ended.stderr
