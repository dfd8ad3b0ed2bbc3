"""The life of a service's process: signals, exit codes, the one place that catches everything."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, NoReturn

from loguru import logger

from candlecast.errors import ConfigurationError, TransientError
from candlecast.runtime.logging import configure_logging

EXIT_OK = 0
EXIT_INVARIANT = 70  # EX_SOFTWARE of sysexits.h
EXIT_TRANSIENT = 75  # EX_TEMPFAIL
EXIT_CONFIGURATION = 78  # EX_CONFIG

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Becomes set on SIGTERM or SIGINT; a second signal falls through to the default action."""

    def __init__(self) -> None:
        self._is_set = False
        # Not threading.Event: its lock is not reentrant, so a signal that arrives while the main
        # thread enters `wait` would wait for itself for ever. SimpleQueue.put is made for this.
        self._wake_up: SimpleQueue[None] = SimpleQueue()

    def install(self) -> None:
        """Listen to the signals; main thread only."""
        for number in _STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.set()

    def set(self) -> None:
        """Ask for the stop from inside."""
        self._is_set = True
        self._wake_up.put(None)

    @property
    def is_set(self) -> bool:
        """Whether the process should stop."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake up at once when asked to stop; True then."""
        if self._is_set:
            return True
        try:
            self._wake_up.get(timeout=seconds)
        except Empty:
            return self._is_set
        self._wake_up.put(None)  # for whoever else waits
        return True


def run_service(name: str, main: Callable[[], None]) -> NoReturn:
    """Run a service's main function and leave with an exit code that says what to do."""
    configure_logging(name, "INFO")
    sys.exit(_exit_code_of(main))


def _exit_code_of(main: Callable[[], None]) -> int:
    try:
        main()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the top of the process: log, then die
        return _log_and_judge(error)
    return EXIT_OK


def _log_and_judge(error: Exception) -> int:
    """Say why the process ends; the exit code. A group is as bad as its worst member."""
    causes = _leaves(error)
    reason = "; ".join(str(cause) for cause in causes)
    if all(isinstance(cause, ConfigurationError | TransientError) for cause in causes):
        if any(isinstance(cause, ConfigurationError) for cause in causes):
            logger.error("configuration_error", reason=reason)
            return EXIT_CONFIGURATION
        logger.error("gave_up_for_now", reason=reason)
        return EXIT_TRANSIENT
    logger.opt(exception=error).error(
        "crashed", reason="; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
    )
    return EXIT_INVARIANT


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, of a task group's group of errors too."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for member in error.exceptions for leaf in _leaves(member)]


async def run_until_signal(main: Coroutine[Any, Any, None]) -> None:
    """Await `main`, cancelling it on SIGTERM or SIGINT; its cleanup runs before this returns.

    A second signal falls through to the default action: cleanup that hangs can be ended.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
        task.cancel()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:  # somebody else's cancellation is not ours to swallow
            raise
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
    if received:
        logger.info("stopped_on_signal", signal=received[0].name)
