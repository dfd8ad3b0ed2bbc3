import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from candlecast.embedded_broker import broker_status, start_detached, stop_detached
from candlecast.errors import ConfigurationError
from candlecast.runtime.operating_system import free_ports, wait_until

pytestmark = pytest.mark.broker

START_PROGRAM = """
import sys
from pathlib import Path
from candlecast.embedded_broker import start_detached
print(start_detached(Path(sys.argv[1]), heap_megabytes=256).pid)
"""


@pytest.fixture
def data_directory(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose detached broker, if one is left, ends with the test."""
    yield tmp_path / "broker"
    stop_detached(tmp_path / "broker")


def start_in_another_process(data_directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", START_PROGRAM, str(data_directory)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_it_outlives_its_starter_is_found_again_and_stopped(data_directory: Path) -> None:
    starter = start_in_another_process(data_directory)
    pid = int(starter.communicate(timeout=100)[0])
    status = broker_status(data_directory)
    assert status is not None
    assert status.pid == pid
    port = int(status.address.split(":")[1])
    assert start_detached(data_directory) == status  # not a second one
    assert start_detached(data_directory, port) == status
    with pytest.raises(ConfigurationError, match="already runs on"):
        start_detached(data_directory, free_ports("127.0.0.1", 1)[0])
    assert stop_detached(data_directory)
    assert broker_status(data_directory) is None
    assert not stop_detached(data_directory)


def test_two_that_start_at_the_same_time_get_the_same_broker(data_directory: Path) -> None:
    starters = [start_in_another_process(data_directory) for _ in range(2)]
    pids = {starter.communicate(timeout=100)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0]
    assert len(pids) == 1


def test_a_killed_broker_is_seen_and_started_anew(data_directory: Path) -> None:
    killed = start_detached(data_directory, heap_megabytes=256)
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_until(lambda: broker_status(data_directory) is None, seconds=20)
    assert start_detached(data_directory, heap_megabytes=256).pid != killed.pid


def test_a_recycled_process_id_in_the_file_is_left_alone(data_directory: Path) -> None:
    data_directory.mkdir()
    record = {
        "process_id": os.getpid(),
        "started": "1",
        "client_port": 1,
        "controller_port": 2,
        "serving": True,
    }
    (data_directory / "broker.json").write_text(json.dumps(record))
    assert broker_status(data_directory) is None
    assert not stop_detached(data_directory)  # and we are still here to say so


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process_id": 1}'])
def test_a_broken_file_counts_as_no_broker(data_directory: Path, text: str) -> None:
    data_directory.mkdir()
    (data_directory / "broker.json").write_text(text)
    assert broker_status(data_directory) is None
    assert not stop_detached(data_directory)
    assert not (data_directory / "broker.json").exists()
