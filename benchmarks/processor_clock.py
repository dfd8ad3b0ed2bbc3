"""How much processor time a process has used, as a function of the time of day.

The time of day, because it is compared with a broker's stamps; both are of this machine.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from candlecast.errors import InvariantError

_SAMPLE_SECONDS = 0.05
_NANOSECONDS_PER_MILLISECOND = 1_000_000


class ProcessorClock:
    """Looks at a process (all its threads) now and then while a `with` block lasts; Linux only."""

    def __init__(self, process_id: int) -> None:
        self._statistics = Path(f"/proc/{process_id}/stat")
        self._thread = threading.Thread(target=self._run, name="processor_clock", daemon=True)
        self._stop = threading.Event()
        self._moments_ms: list[int] = []
        self._used_seconds: list[float] = []

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def used_seconds(self, start_ms: int, end_ms: int) -> float:
        """Processor time used between two moments, UTC milliseconds.

        Raises:
            InvariantError: the process was not looked at then.
        """
        if len(self._moments_ms) < 2:
            raise InvariantError("the process ended before its processor time could be read")
        start, end = np.interp([start_ms, end_ms], self._moments_ms, self._used_seconds)
        return float(end - start)

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            try:
                text = self._statistics.read_text("utf-8", errors="replace")
            except OSError:  # it has ended
                return
            self._moments_ms.append(time.time_ns() // _NANOSECONDS_PER_MILLISECOND)
            # The name, in parentheses, may hold anything; what follows is counted from its end.
            fields = text[text.rindex(")") + 2 :].split()
            ticks = int(fields[11]) + int(fields[12])
            self._used_seconds.append(ticks / os.sysconf("SC_CLK_TCK"))
