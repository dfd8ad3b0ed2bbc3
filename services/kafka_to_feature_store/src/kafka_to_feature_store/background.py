"""Calls that may take long, made where nothing has to wait for them.

The consumer would lose its membership by waiting, and the process its time to end.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from loguru import logger

Value = TypeVar("Value")


class BackgroundCalls:
    """Starts calls in daemon threads of their own, and knows which have not ended."""

    def __init__(self) -> None:
        self._calls: list[Future[Any]] = []

    def start(self, call: Callable[[], Value], *, name: str) -> Future[Value]:
        """Make the call in a thread; its outcome, also an error, is in the future."""
        outcome: Future[Value] = Future()
        outcome.set_running_or_notify_cancel()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 - a panic of native code is one, too
                outcome.set_exception(error)

        self._calls = [each for each in self._calls if not each.done()]
        self._calls.append(outcome)
        threading.Thread(target=run, name=name, daemon=True).start()
        return outcome

    def wait_for_all(self, seconds: float) -> bool:
        """Wait until every call has ended; False when time was up before."""
        return not wait(self._calls, timeout=seconds).not_done

    def end_process_if_any_runs(self, exit_code: int) -> None:
        """End the process at once when a call still runs, without Python's own clearing up.

        Clearing up would stop native code of the store in the middle of itself, which can turn a
        clean end into an abort. For the store this is a `kill -9`, and it loses nothing by that.
        """
        if self.wait_for_all(0.0):
            return
        logger.warning("left_calls_running", exit_code=exit_code)
        sys.stderr.flush()
        os._exit(exit_code)
