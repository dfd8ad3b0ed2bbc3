"""A service, or another part of a benchmark, in a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from candlecast.errors import InvariantError, TransientError
from candlecast.runtime.operating_system import identify, resident_bytes

LOOPBACK = "127.0.0.1"
_REPOSITORY = Path(__file__).parents[1]
# A developer's own settings must not decide about a measurement.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME")
_POLL_SECONDS = 0.1
_STOP_SECONDS = 20.0
_LOG_TAIL_CHARACTERS = 2_000
_BYTES_PER_MEGABYTE = 1e6


class ServiceProcess:
    """`python -m module` while a `with` block lasts; its output goes to a file.

    Args:
        module: what to run.
        environment: its settings; nothing else is set but what every process needs.
        directory: where it runs, and where its log is.
        arguments: of its command line.
    """

    def __init__(
        self,
        module: str,
        environment: Mapping[str, str],
        *,
        directory: Path,
        arguments: Sequence[str] = (),
    ) -> None:
        self.module = module
        self._environment = dict(environment)
        self._directory = directory
        self._command = [sys.executable, "-m", module, *arguments]
        self._log_file = directory / f"{module}_{time.monotonic_ns()}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env={**inherited, "PYTHONPATH": str(_REPOSITORY), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, unless it has ended."""
        process = self._running
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait until /health/ready says so, at the METRICS_PORT it was given."""
        url = f"http://{LOOPBACK}:{self._environment['METRICS_PORT']}/health/ready"
        self._wait_until(lambda: _answers(url), seconds, "did not get ready")

    def wait_for_file(self, path: Path, seconds: float = 30.0) -> None:
        """Wait until it has made a file."""
        self._wait_until(path.exists, seconds, f"did not make {path.name}")

    def wait_until_done(self, seconds: float) -> None:
        """Wait for the end of a process that ends by itself.

        Raises:
            TransientError: it did not end in time.
            InvariantError: it failed.
        """
        try:
            exit_code = self._running.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise TransientError(f"{self.module} ran for {seconds} s{self._log_tail()}") from error
        if exit_code != 0:
            raise InvariantError(f"{self.module} ended with {exit_code}{self._log_tail()}")

    def require_running(self) -> None:
        """Make sure that it has not ended.

        Raises:
            InvariantError: it has.
        """
        exit_code = self._running.poll()
        if exit_code is not None:
            raise InvariantError(f"{self.module} ended with {exit_code}{self._log_tail()}")

    @property
    def process_id(self) -> int:
        """Its process."""
        return self._running.pid

    @property
    def resident_megabytes(self) -> float:
        """The memory it holds now."""
        identity = identify(self._running.pid)
        held = None if identity is None else resident_bytes(identity)
        if held is None:
            raise InvariantError(f"the memory of {self.module} cannot be read on this system")
        return held / _BYTES_PER_MEGABYTE

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise InvariantError(f"{self.module} has not been started")
        return self._process

    def _wait_until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline_seconds = time.monotonic() + seconds
        while not condition():
            self.require_running()
            if time.monotonic() > deadline_seconds:
                raise TransientError(f"{self.module} {complaint}{self._log_tail()}")
            time.sleep(_POLL_SECONDS)

    def _log_tail(self) -> str:
        text = self._log_file.read_text("utf-8", errors="replace")
        return f"; its last words:\n{text[-_LOG_TAIL_CHARACTERS:]}"


def _answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url) as answer:
        return bool(answer.status == 200)
    return False
