"""Keeps processes running: starts, restarts, stops them, and remembers them for `candlecast stop`.

For a laptop; Compose and Kubernetes do the same with more care.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from candlecast.errors import ConfigurationError, TransientError
from candlecast.runtime.operating_system import (
    ProcessIdentity,
    identify,
    is_running,
    resident_bytes,
    terminate,
)
from candlecast.runtime.process import EXIT_CONFIGURATION, EXIT_OK

_STOP_SECONDS = 10.0
_FIRST_RESTART_SECONDS = 0.5
_LONGEST_RESTART_SECONDS = 10.0
_CALM_SECONDS = 30.0
REGISTER = "processes.json"
"""The file in a supervisor's folder that names its processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpecification:
    """A service to run as `python -m module`.

    Attributes:
        name: for people, and of its log file.
        module: what to run.
        environment: its settings.
        metrics_port: where it tells how it is.
        ends: whether exit code 0 means that it is done, rather than a reason to start it again.
    """

    name: str
    module: str
    environment: Mapping[str, str]
    metrics_port: int
    ends: bool = False


@dataclass(slots=True)
class _Managed:
    specification: ProcessSpecification
    process: subprocess.Popen[bytes] | None = None
    started_seconds: float = 0.0
    start_again_seconds: float = 0.0
    failures: int = 0
    restarts: int = 0
    is_done: bool = False
    highest_resident_bytes: int = 0
    identity: ProcessIdentity | None = field(default=None)


class Supervisor:
    """Runs processes; `tick` has to be called several times a second.

    Their output goes to `<directory>/logs/<name>.log`.
    """

    def __init__(self, directory: Path, *, stop_seconds: float = _STOP_SECONDS) -> None:
        self._directory = directory
        self._stop_seconds = stop_seconds
        self._managed: dict[str, _Managed] = {}

    def __enter__(self) -> Self:
        """Refuse to run beside another supervisor of the same directory."""
        (self._directory / "logs").mkdir(parents=True, exist_ok=True)
        running = [identity for identity in _registered(self._directory) if is_running(identity)]
        if running:
            raise ConfigurationError(
                f"something started from {self._directory} still runs (process "
                f"{running[0].process_id}); stop it first: make stop"
            )
        self._register()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.stop(*self._managed)
        (self._directory / REGISTER).unlink(missing_ok=True)

    def start(self, specifications: Sequence[ProcessSpecification]) -> None:
        """Start processes and keep them running."""
        for specification in specifications:
            managed = _Managed(specification)
            self._managed[specification.name] = managed
            self._spawn(managed)

    def stop(self, *names: str) -> None:
        """Stop processes, the last started first; end those that do not stop in time."""
        stopping = [self._managed.pop(name) for name in reversed(names) if name in self._managed]
        for managed in stopping:
            if managed.process is not None and managed.process.poll() is None:
                managed.process.send_signal(signal.SIGTERM)
        for managed in stopping:
            _wait_or_kill(managed, self._stop_seconds)
        self._register()

    def kill(self, name: str) -> None:
        """End a process as a power cut would; `tick` starts it again."""
        process = self._managed[name].process
        if process is not None:
            process.kill()

    def tick(self) -> None:
        """Start again what died.

        Raises:
            ConfigurationError: a process says that a setting is wrong.
        """
        now = time.monotonic()
        for managed in self._managed.values():
            if managed.is_done:
                continue
            if managed.process is None:
                if now >= managed.start_again_seconds:
                    managed.restarts += 1
                    self._spawn(managed)
                continue
            exit_code = managed.process.poll()
            if exit_code is not None:
                self._on_exit(managed, exit_code, now)
            elif managed.identity is not None:
                resident = resident_bytes(managed.identity) or 0
                managed.highest_resident_bytes = max(managed.highest_resident_bytes, resident)

    def require_progress(self, *names: str, patience: int = 5) -> None:
        """Refuse to go on for ever with processes that keep dying.

        Raises:
            TransientError: one was started again more than `patience` times.
        """
        for name in names:
            if self._managed[name].restarts > patience:
                reason = _last_reason(self.log_file(name))
                raise TransientError(f"{name} ended {patience + 1} times: {reason}")

    def all_done(self, *names: str) -> bool:
        """Whether processes that end have ended well."""
        return all(self._managed[name].is_done for name in names)

    @property
    def process_ids(self) -> Mapping[str, int]:
        """The processes that run now."""
        return {
            name: managed.process.pid
            for name, managed in self._managed.items()
            if managed.process is not None
        }

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often each process was started again."""
        return {name: managed.restarts for name, managed in self._managed.items()}

    @property
    def highest_resident_megabytes(self) -> Mapping[str, float]:
        """The most memory each process held whenever it was looked at."""
        return {
            name: managed.highest_resident_bytes / 1_048_576
            for name, managed in self._managed.items()
        }

    def log_file(self, name: str) -> Path:
        """Where a process writes to."""
        return self._directory / "logs" / f"{name}.log"

    def _spawn(self, managed: _Managed) -> None:
        specification = managed.specification
        with self.log_file(specification.name).open("ab") as log:
            managed.process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", specification.module],
                env={**os.environ, **specification.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the supervisor, which stops the processes in order.
                start_new_session=True,
            )
        managed.started_seconds = time.monotonic()
        managed.identity = identify(managed.process.pid)
        self._register()

    def _on_exit(self, managed: _Managed, exit_code: int, now: float) -> None:
        managed.process = None
        name = managed.specification.name
        if exit_code == EXIT_OK and managed.specification.ends:
            managed.is_done = True
            return
        if exit_code == EXIT_CONFIGURATION:
            raise ConfigurationError(f"{name}: {_last_reason(self.log_file(name))}")
        if now - managed.started_seconds > _CALM_SECONDS:
            managed.failures = 0
        pause_seconds = min(_FIRST_RESTART_SECONDS * 2**managed.failures, _LONGEST_RESTART_SECONDS)
        managed.failures += 1
        managed.start_again_seconds = now + pause_seconds

    def _register(self) -> None:
        own = identify(os.getpid())
        identities = [own, *(managed.identity for managed in self._managed.values())]
        text = json.dumps([asdict(identity) for identity in identities if identity is not None])
        (self._directory / REGISTER).write_text(text, encoding="utf-8")


def stop_registered(directory: Path) -> int:
    """Stop what a supervisor of this directory left running; return how many processes that was."""
    running = [identity for identity in _registered(directory) if is_running(identity)]
    for identity in running:
        # The supervisor comes first, and stops the others itself.
        terminate(identity, grace_seconds=2 * _STOP_SECONDS)
    (directory / REGISTER).unlink(missing_ok=True)
    return len(running)


def _registered(directory: Path) -> list[ProcessIdentity]:
    try:
        entries = json.loads((directory / REGISTER).read_text(encoding="utf-8"))
        return [ProcessIdentity(**entry) for entry in entries]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _wait_or_kill(managed: _Managed, patience_seconds: float) -> None:
    if managed.process is None:
        return
    try:
        managed.process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        managed.process.kill()
        managed.process.wait()


def _last_reason(log_file: Path) -> str:
    """Return why a service ended, in its own words."""
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in reversed(lines):
        try:
            return str(json.loads(line)["reason"])
        except (ValueError, KeyError, TypeError):
            continue
    return f"see {log_file}"
