"""An event loop whose clock jumps: sleeping takes no time, and the order is always the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class _JumpingSelector(selectors.SelectSelector):
    """Where the loop would wait for its next timer, its clock is put forward instead."""

    now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that never happens")
        self.now_seconds += max(timeout, 0.0)
        return super().select(0)


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector_of_time = _JumpingSelector()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        return self._selector_of_time.now_seconds


def run_in_virtual_time(main: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine to its end; only what is awaited on the loop's clock is shortened."""
    with asyncio.Runner(loop_factory=_VirtualTimeLoop) as runner:
        return runner.run(main)
