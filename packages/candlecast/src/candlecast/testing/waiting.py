"""The one way a test waits: for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.02


def eventually(probe: Callable[[], T], what: str, *, seconds: float = 30.0) -> T:
    """Ask until the answer is true (not empty, not zero) and return it.

    Args:
        probe: asked again and again.
        what: what is waited for, said when it does not come.
        seconds: how long to wait at most.

    Raises:
        AssertionError: it did not come in time; with the last answer.
    """
    deadline_seconds = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline_seconds:
            raise AssertionError(f"{what}: not within {seconds} s; the last answer was {answer!r}")
        time.sleep(_POLL_SECONDS)
    return answer
