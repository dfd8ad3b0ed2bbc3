"""Which exchange a command talks to: the real one where it answers, else the simulator."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from candlecast.kraken.rest import PRODUCTION_BASE_URL
from candlecast.runtime.settings import MarketDataSource
from candlecast_tools.supervisor import ProcessSpecification

Source = Literal["auto", "kraken", "simulator"]

_PROBE_SECONDS = 3.0
_CLOCK_FILE = "simulator_clock.json"


def choose_source(source: Source) -> MarketDataSource:
    """Return the source to use; `auto` asks the real exchange and waits 3 s for its answer."""
    if source != "auto":
        return source
    try:
        answer = httpx.get(
            f"{PRODUCTION_BASE_URL}/0/public/SystemStatus", timeout=_PROBE_SECONDS
        ).json()
    except (httpx.HTTPError, ValueError):
        return "simulator"
    return "kraken" if isinstance(answer, dict) and answer.get("error") == [] else "simulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorClock:
    """How the simulator's time runs: server time at a wall time, and its speed from there on."""

    wall_ms: int
    server_ms: int
    speed: float

    def server_ms_at(self, wall_ms: int) -> int:
        """Return server time at a wall time."""
        return self.server_ms + round((wall_ms - self.wall_ms) * self.speed)


def continue_clock(directory: Path, *, speed: float) -> SimulatorClock:
    """Return a clock that never runs behind what earlier runs in this directory have seen.

    While nothing ran, time went on as on the wall.
    """
    wall_ms = time.time_ns() // 1_000_000
    server_ms = wall_ms
    earlier = _read_clock(directory)
    if earlier is not None:
        server_ms = max(wall_ms, earlier.server_ms_at(wall_ms))
    clock = SimulatorClock(wall_ms=wall_ms, server_ms=server_ms, speed=speed)
    _write_clock(directory, clock)
    return clock


def stop_clock(directory: Path) -> None:
    """Note that the simulator has stopped: from here on time goes as on the wall."""
    earlier = _read_clock(directory)
    if earlier is not None:
        wall_ms = time.time_ns() // 1_000_000
        now = SimulatorClock(wall_ms=wall_ms, server_ms=earlier.server_ms_at(wall_ms), speed=1.0)
        _write_clock(directory, now)


def simulator_service(
    clock: SimulatorClock, *, port: int, metrics_port: int
) -> ProcessSpecification:
    """Describe the simulator as a process; restarted, it goes on with the same clock."""
    return ProcessSpecification(
        name="kraken_simulator",
        module="kraken_simulator",
        environment={
            "SIMULATOR_PORT": str(port),
            "METRICS_PORT": str(metrics_port),
            "MONITORING_HOST": "127.0.0.1",
            "SPEED": str(clock.speed),
            "CLOCK_ANCHOR_WALL_MS": str(clock.wall_ms),
            "CLOCK_ANCHOR_SERVER_MS": str(clock.server_ms),
            # On this machine nobody has to be protected from us.
            "REST_CALLS_PER_SECOND": "0",
        },
        metrics_port=metrics_port,
    )


def _read_clock(directory: Path) -> SimulatorClock | None:
    try:
        fields = json.loads((directory / _CLOCK_FILE).read_text(encoding="utf-8"))
        return SimulatorClock(**fields)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write_clock(directory: Path, clock: SimulatorClock) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    fields = {"wall_ms": clock.wall_ms, "server_ms": clock.server_ms, "speed": clock.speed}
    (directory / _CLOCK_FILE).write_text(json.dumps(fields), encoding="utf-8")
