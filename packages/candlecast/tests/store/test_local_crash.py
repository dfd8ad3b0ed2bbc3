"""What a killed or starved writer leaves behind, with real processes and real signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from candlecast.store.feature_store import FeatureStore
from candlecast.store.local import LocalFeatureStore
from candlecast.testing.stored_candles import (
    BTC,
    ETH,
    FOREVER,
    GROUP,
    closes_of,
    make_rows,
    minutes_of,
)

SCRIPT = Path(__file__).with_name("store_process.py")
HISTORY_PRODUCT, HISTORY_BATCH_ROWS = "SOL/USD", 500


@contextmanager
def store_process(job: str, directory: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(SCRIPT), job, str(directory), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def lines_of(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    assert process.stdout is not None
    return (line.split() for line in process.stdout if line.endswith("\n"))


def write_and_be_killed(directory: Path, first_minute: int, after_lines: int) -> tuple[int, int]:
    """Return the last minute acknowledged online, and the batches acknowledged offline."""
    last_minute, batches = first_minute - 1, 0
    with store_process("write_for_ever", directory, first_minute) as process:
        for number, words in enumerate(lines_of(process)):
            if number == after_lines:
                process.send_signal(signal.SIGKILL)  # what is in the pipe is still read
            if words[0] == "online":
                last_minute = int(words[1])
            elif words[0] == "offline":
                batches += 1
    assert process.returncode == -signal.SIGKILL
    return last_minute, batches


@pytest.mark.parametrize("after_lines", [1, 30])
def test_nothing_acknowledged_is_lost_when_a_writer_is_killed_again_and_again(
    tmp_path: Path, after_lines: int
) -> None:
    directory = tmp_path / "store"
    next_minute = 0
    for round_number in range(5):
        first_minute = next_minute
        last_minute, batches = write_and_be_killed(
            directory, first_minute, after_lines + 7 * round_number
        )
        with LocalFeatureStore(directory, "simulator") as store:
            assert_online_is_whole(store, last_minute)
            history = store.read_offline(GROUP, HISTORY_PRODUCT, *FOREVER)
            assert len(history) % HISTORY_BATCH_ROWS == 0
            written = range(
                first_minute * HISTORY_BATCH_ROWS, (first_minute + batches) * HISTORY_BATCH_ROWS
            )
            assert set(written) <= set(minutes_of(history))
        next_minute = last_minute + 1


def assert_online_is_whole(store: FeatureStore, last_minute: int) -> None:
    for product_id in (BTC, ETH):
        before = store.read_all(GROUP, product_id, *FOREVER)
        assert minutes_of(before) == list(range(len(before)))
        assert len(before) >= last_minute + 1
        assert closes_of(before) == [minute + 0.5 for minute in range(len(before))]
        store.materialize(GROUP)
        after = store.read_offline(GROUP, product_id, *FOREVER)
        assert after.to_tuples() == before.to_tuples()


def test_a_crash_between_the_commit_and_the_mark_moves_the_rows_once(tmp_path: Path) -> None:
    crashed = LocalFeatureStore(tmp_path / "store", "simulator")
    crashed.write_online(GROUP, make_rows(0, 3))
    with crashed._exclusive_history(GROUP) as history:
        history.upsert(crashed.read_online(GROUP, BTC, *FOREVER))
    crashed.close()  # the rows are in the history, and the journal does not know it
    with LocalFeatureStore(tmp_path / "store", "simulator") as store:
        assert minutes_of(store.read_all(GROUP, BTC, *FOREVER)) == [0, 1, 2]
        assert store.materialize(GROUP) == 3
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [0, 1, 2]
        assert store.materialize(GROUP) == 0


def test_a_data_file_whose_commit_never_came_is_not_read_and_is_swept_up(tmp_path: Path) -> None:
    with LocalFeatureStore(tmp_path / "store", "simulator") as store:
        store.write_offline(GROUP, make_rows(0, 3))
        committed = next((tmp_path / "store" / "offline").rglob("*.parquet"))
        orphan = committed.with_name("part-00000-orphan.parquet")
        orphan.write_bytes(committed.read_bytes())
        long_ago_s = committed.stat().st_mtime - 3 * 3600
        os.utime(orphan, (long_ago_s, long_ago_s))
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == [0, 1, 2]
        for minute in range(3, 40):  # enough small files for a compaction
            store.write_offline(GROUP, make_rows(minute))
        assert not orphan.exists()
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == list(range(40))


def test_a_full_disk_is_a_transient_error_and_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with LocalFeatureStore(directory, "simulator") as store:
        store.write_offline(GROUP, make_rows(10**6, product_id=ETH))
    with store_process("fill_the_disk", directory, 60_000) as process:
        lines = list(lines_of(process))
    assert process.returncode == 0
    refused = {words[0] for words in lines if words[1:2] == ["refused"]}
    assert refused >= {"offline", "online"}
    acknowledged = [
        int(words[1]) for words in lines if words[0] == "online" and words[1] != "refused"
    ]
    with LocalFeatureStore(directory, "simulator") as store:
        stored = set(minutes_of(store.read_online(GROUP, BTC, *FOREVER)))
        for first_minute in acknowledged:
            assert set(range(first_minute, first_minute + 100)) <= stored
        store.materialize(GROUP)
        assert stored <= set(minutes_of(store.read_offline(GROUP, BTC, *FOREVER)))


def test_two_processes_write_to_one_table(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with (
        store_process("write_as_a_service", directory, 500) as first,
        store_process("write_as_a_service", directory, 500) as second,
    ):
        for process in (first, second):
            assert list(lines_of(process))[-1] == ["heavy_imports"]
    assert (first.returncode, second.returncode) == (0, 0)
    with LocalFeatureStore(directory, "simulator") as store:
        expected = [*range(4_320), *range(100_000, 100_500)]
        store.materialize(GROUP)
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == expected
        assert minutes_of(store.read_offline(GROUP, ETH, *FOREVER)) == expected[4_320:]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_writing_process_stays_well_under_its_memory_limit(tmp_path: Path) -> None:
    """A service may use 200 MB; the store must leave room for the rest of it."""
    with store_process("write_as_a_service", tmp_path / "store", 3_000) as process:
        said = {words[0]: words[1:] for words in lines_of(process)}
    assert said["heavy_imports"] == []
    assert int(said["peak_kilobytes"][0]) < 165_000
