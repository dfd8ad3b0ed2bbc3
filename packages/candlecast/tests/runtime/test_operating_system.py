import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from candlecast.runtime.operating_system import (
    ProcessIdentity,
    free_ports,
    is_port_free,
    is_running,
    resident_bytes,
    spawn,
    terminate,
    wait_until,
)


def spawn_python(program: str, log_file: Path) -> ProcessIdentity:
    return spawn([sys.executable, "-u", "-c", program], log_file=log_file)


def wait_for_text(file: Path, text: str) -> None:
    assert wait_until(lambda: text in file.read_text(), seconds=20), file.read_text()


def test_output_goes_to_the_log_file(tmp_path: Path) -> None:
    spawn_python("import sys; print('out'); print('err', file=sys.stderr)", tmp_path / "log")
    wait_for_text(tmp_path / "log", "out\nerr\n")


def test_a_finished_child_is_not_running(tmp_path: Path) -> None:
    identity = spawn_python("pass", tmp_path / "log")
    assert wait_until(lambda: not is_running(identity), seconds=20)


def test_a_recycled_process_id_is_another_process() -> None:
    assert not is_running(ProcessIdentity(process_id=os.getpid(), started="in another life"))


def test_a_recycled_process_id_is_never_killed() -> None:
    terminate(ProcessIdentity(process_id=os.getpid(), started="long ago"), grace_seconds=0)


def test_a_process_that_ignores_the_polite_signal_is_ended(tmp_path: Path) -> None:
    program = (
        "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf'); threading.Event().wait()"
    )
    identity = spawn_python(program, tmp_path / "log")
    wait_for_text(tmp_path / "log", "deaf")
    terminate(identity, grace_seconds=0.1)
    assert not is_running(identity)


def test_a_process_of_its_own_session_survives_our_ctrl_c(tmp_path: Path) -> None:
    identity = spawn_python("import threading; threading.Event().wait()", tmp_path / "log")
    try:
        assert os.getsid(identity.process_id) == identity.process_id != os.getsid(0)
    finally:
        terminate(identity, grace_seconds=5)
    assert not is_running(identity)


def test_java_settings_of_the_user_stay_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    spawn_python("import os; print(os.environ.get('JAVA_TOOL_OPTIONS'))", tmp_path / "log")
    wait_for_text(tmp_path / "log", "None\n")


def test_a_taken_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_port_free("127.0.0.1", server.getsockname()[1])


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports("127.0.0.1", 3)
    assert len(set(ports)) == 3
    assert all(is_port_free("127.0.0.1", port) for port in ports)


def test_memory_of_a_running_process_is_known_and_of_a_gone_one_not(tmp_path: Path) -> None:
    identity = spawn_python("import threading; threading.Event().wait()", tmp_path / "log")
    assert wait_until(lambda: (resident_bytes(identity) or 0) > 1_000_000, seconds=20)
    os.kill(identity.process_id, signal.SIGKILL)
    assert wait_until(lambda: not is_running(identity), seconds=20)
    assert resident_bytes(identity) is None
