"""Processes and ports of this machine: started, recognised, ended, found free."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process id with the moment it started: ids are used again, the pair is not."""

    process_id: int
    started: str


def spawn(command: Sequence[str], *, log_file: Path) -> ProcessIdentity:
    """Start a process in a session of its own, which outlives us and no Ctrl-C of ours reaches.

    Its output is appended to `log_file`.
    """
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process_id = os.posix_spawn(
            command[0],
            list(command),
            _clean_environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, descriptor, 1),
                (os.POSIX_SPAWN_DUP2, descriptor, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(descriptor)
    return ProcessIdentity(process_id=process_id, started=_start_of(process_id) or "")


def _clean_environment() -> dict[str, str]:
    """Without the variables by which a user's own Java settings would get into ours."""
    unwanted = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def identify(process_id: int) -> ProcessIdentity | None:
    """The identity of a process that runs now; None when there is none."""
    started = _start_of(process_id)
    return None if started is None else ProcessIdentity(process_id=process_id, started=started)


def is_running(identity: ProcessIdentity) -> bool:
    """Whether that very process still runs; a finished child of ours is collected here."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(identity.process_id, os.WNOHANG)
    return bool(identity.started) and _start_of(identity.process_id) == identity.started


def terminate(identity: ProcessIdentity, *, grace_seconds: float) -> None:
    """Ask a process to stop; end it when it does not stop in time."""
    for number, patience_seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 10.0)):
        if not is_running(identity):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.process_id, number)
        if wait_until(lambda: not is_running(identity), seconds=patience_seconds):
            return


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until a condition holds, at most so long; whether it does."""
    deadline_seconds = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline_seconds:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def resident_bytes(identity: ProcessIdentity) -> int | None:
    """The memory that a process holds, where the system tells it (Linux)."""
    try:
        pages = int(Path(f"/proc/{identity.process_id}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _start_of(process_id: int) -> str | None:
    """The moment a running process started, in the system's own words; None when there is none."""
    if Path("/proc/self/stat").exists():
        return _start_by_proc(process_id)
    answer = subprocess.run(  # noqa: S603 - a number and fixed words
        ["/bin/ps", "-o", "lstart=", "-p", str(process_id)],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or None


def _start_by_proc(process_id: int) -> str | None:
    try:
        text = Path(f"/proc/{process_id}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything; state and start time are counted from its end.
    fields = text[text.rindex(")") + 2 :].split()
    is_finished = fields[0] in ("Z", "X")
    return None if is_finished else fields[19]


def is_port_free(host: str, port: int) -> bool:
    """Whether one can listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(host: str, count: int) -> list[int]:
    """Different ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as sockets:
        ports = []
        for _ in range(count):
            probe = sockets.enter_context(socket.socket())
            probe.bind((host, 0))
            ports.append(int(probe.getsockname()[1]))
        return ports
