"""The small process supervisor of the demo."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast_tools.supervisor import ProcessSpecification, Supervisor, stop_registered


def specification(
    tmp_path: Path, name: str, code: str, *, ends: bool = False
) -> ProcessSpecification:
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    return ProcessSpecification(
        name=name,
        module=name,
        environment={"PYTHONPATH": str(tmp_path), "OUTPUT": str(tmp_path / f"{name}.txt")},
        metrics_port=0,
        ends=ends,
    )


def tick_until(
    supervisor: Supervisor, condition: Callable[[], bool], *, seconds: float = 20.0
) -> None:
    deadline_seconds = time.monotonic() + seconds
    while not condition():
        supervisor.tick()
        assert time.monotonic() < deadline_seconds
        time.sleep(0.02)


COUNT_STARTS = """
import os, pathlib
file = pathlib.Path(os.environ["OUTPUT"])
file.write_text(file.read_text() + "x" if file.exists() else "x")
"""
RUN_FOR_EVER = COUNT_STARTS + "import time\nwhile True: time.sleep(0.05)\n"


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "flaky", COUNT_STARTS + "raise SystemExit(1)")])
        output = tmp_path / "flaky.txt"
        tick_until(supervisor, lambda: output.exists() and output.read_text() >= "xx")
        assert supervisor.restarts["flaky"] >= 1


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "steady", RUN_FOR_EVER)])
        output = tmp_path / "steady.txt"
        tick_until(supervisor, output.exists)
        supervisor.kill("steady")
        tick_until(supervisor, lambda: output.read_text() == "xx")


def test_a_process_that_ends_well_is_done_and_not_started_again(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "job", COUNT_STARTS, ends=True)])
        tick_until(supervisor, lambda: supervisor.all_done("job"))
        assert (tmp_path / "job.txt").read_text() == "x"
        assert supervisor.restarts["job"] == 0


def test_a_wrong_setting_stops_everything_with_the_services_own_words(tmp_path: Path) -> None:
    code = 'print(\'{"event": "configuration_error", "reason": "PRODUCT_IDS: no such product"}\')\n'
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "wrong", code + "raise SystemExit(78)")])
        with pytest.raises(ConfigurationError, match="wrong: PRODUCT_IDS: no such product"):
            tick_until(supervisor, lambda: False)


def test_a_process_that_keeps_dying_is_not_started_for_ever(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "hopeless", "raise SystemExit(1)", ends=True)])
        tick_until(supervisor, lambda: supervisor.restarts["hopeless"] > 1)
        with pytest.raises(TransientError, match="hopeless ended 2 times"):
            supervisor.require_progress("hopeless", patience=1)


def test_leaving_stops_every_process(tmp_path: Path) -> None:
    ignores_sigterm = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    with Supervisor(tmp_path, stop_seconds=0.5) as supervisor:
        supervisor.start(
            [
                specification(tmp_path, "polite", RUN_FOR_EVER),
                specification(tmp_path, "stubborn", ignores_sigterm + RUN_FOR_EVER),
            ]
        )
        tick_until(supervisor, (tmp_path / "stubborn.txt").exists)
        process_ids = supervisor.process_ids
    for process_id in process_ids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_two_supervisors_of_one_folder_are_refused(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([specification(tmp_path, "only", RUN_FOR_EVER)])
        with pytest.raises(ConfigurationError, match="make stop"), Supervisor(tmp_path):
            pass


def test_what_a_killed_supervisor_left_can_be_stopped(tmp_path: Path) -> None:
    run = """
import os, pathlib, sys
from candlecast_tools.supervisor import ProcessSpecification, Supervisor
directory = pathlib.Path(sys.argv[1])
with Supervisor(directory) as supervisor:
    environment = {"PYTHONPATH": str(directory), "OUTPUT": str(directory / "orphan.txt")}
    supervisor.start([ProcessSpecification(
        name="orphan", module="orphan", environment=environment, metrics_port=0)])
    while not (directory / "orphan.txt").exists():
        pass
    os.kill(os.getpid(), 9)
"""
    specification(tmp_path, "orphan", RUN_FOR_EVER)

    ended = subprocess.run([sys.executable, "-c", run, str(tmp_path)], timeout=30)
    assert ended.returncode == -signal.SIGKILL
    assert stop_registered(tmp_path) == 1
    assert stop_registered(tmp_path) == 0
