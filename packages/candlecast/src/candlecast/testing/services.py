"""A service run the way it runs in earnest: a process of its own, told by its environment."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from candlecast.testing.waiting import eventually

_PATIENCE_SECONDS = 30.0
_STOP_SECONDS = 10.0
"""What design §7 gives a service to stop."""


class RunningService:
    """A service's process, its log so far, its pages.

    Attributes:
        process_id: of the process.
        events: the log, one dictionary a line; it grows while the process runs.
        other_lines: what was written to standard error and is not one line of JSON.
    """

    def __init__(self, module: str, directory: Path, settings: Mapping[str, str]) -> None:
        self._module = module
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", module],
            env={**os.environ, "METRICS_PORT": "0", "MONITORING_HOST": "127.0.0.1", **settings},
            cwd=directory,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.process_id = self._process.pid
        self.events: list[dict[str, Any]] = []
        self.other_lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            try:
                self.events.append(json.loads(line))
            except json.JSONDecodeError:
                self.other_lines.append(line)

    def events_named(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one event so far."""
        return [event for event in list(self.events) if event["event"] == name]

    def wait_for_event(self, name: str) -> dict[str, Any]:
        """Wait for a line of the log and return it."""
        return eventually(
            lambda: self.events_named(name), f"event {name} of {self._module} in {self.events}"
        )[0]

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of one of the service's own pages."""
        port = self.wait_for_event("started")["metrics_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        """Whether it says that it does its work."""
        return self.get("/health/ready")[0] == 200

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 where it has none yet."""
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    def wait_until_ready(self) -> None:
        """Wait until it says that it does its work."""
        eventually(self.is_ready, f"{self._module} to be ready; its log: {self.events}")

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> int:
        """Wait for the end of the process and return its exit code; then the log is complete."""
        exit_code = self._process.wait(seconds)
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        return exit_code

    def stop(self) -> int:
        """Ask it to stop and return its exit code, which must come within ten seconds."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """End it without asking, as a crash would."""
        self._process.kill()
        self.wait()


@contextmanager
def running_service(module: str, directory: Path, **settings: str) -> Iterator[RunningService]:
    """Run `python -m module` in a directory until the block ends.

    Args:
        module: the service.
        directory: where it runs, and keeps what it keeps; no `.env` of a developer is there.
        settings: by their variables' names.
    """
    service = RunningService(module, directory, settings)
    try:
        yield service
    finally:
        service.kill()
