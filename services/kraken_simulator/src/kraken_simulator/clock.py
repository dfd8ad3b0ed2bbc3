"""Server time: a straight line through one anchor, so that a restart can go on where it was."""

import time
from dataclasses import dataclass

from kraken_simulator.trades import NANOSECONDS_PER_MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTimeLine:
    """server = anchor_server + (wall - anchor_wall) * speed, in nanoseconds. Pure arithmetic.

    Two processes given the same anchors and speed tell the same server time, which is how a
    simulator that was killed and started again never goes backwards.
    """

    anchor_wall_ns: int
    anchor_server_ns: int
    speed: float

    def server_ns(self, wall_ns: int) -> int:
        """Return the server's time at a wall time."""
        return self.anchor_server_ns + int((wall_ns - self.anchor_wall_ns) * self.speed)

    def wall_seconds(self, server_duration_ns: int) -> float:
        """Return how long a stretch of server time takes on the wall."""
        return server_duration_ns / self.speed / 1e9


class ServerClock:
    """Tells the server's time now; never backwards while the process lives.

    The wall clock is read once and then advanced by the monotonic clock, because the wall clock
    may be set back under a running process.
    """

    def __init__(
        self, *, speed: float, anchor_wall_ms: int | None, anchor_server_ms: int | None
    ) -> None:
        self._start_monotonic_ns = time.monotonic_ns()
        self._start_wall_ns = time.time_ns()
        anchor_wall_ns = self._start_wall_ns
        if anchor_wall_ms is not None:
            anchor_wall_ns = anchor_wall_ms * NANOSECONDS_PER_MILLISECOND
        anchor_server_ns = anchor_wall_ns
        if anchor_server_ms is not None:
            anchor_server_ns = anchor_server_ms * NANOSECONDS_PER_MILLISECOND
        self.line = ServerTimeLine(
            anchor_wall_ns=anchor_wall_ns, anchor_server_ns=anchor_server_ns, speed=speed
        )

    def now_ns(self) -> int:
        """Return the server's time now."""
        elapsed_ns = time.monotonic_ns() - self._start_monotonic_ns
        return self.line.server_ns(self._start_wall_ns + elapsed_ns)
