"""Calls that block, made where they can be left behind."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Value = TypeVar("Value")


async def in_daemon_thread(call: Callable[[], Value]) -> Value:
    """Await a blocking call without stopping the loop, nor being held up by it.

    Cancelled, it returns at once; the thread goes on by itself and ends with the process, which an
    executor's thread would not let end.
    """
    outcome: Future[Value] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits
            outcome.set_exception(error)

    threading.Thread(target=run, name="blocking-call", daemon=True).start()
    return await asyncio.wrap_future(outcome)
