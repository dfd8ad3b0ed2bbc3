"""What every benchmark is told."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.

    Attributes:
        is_quick: whether only to prove that everything runs; the numbers then mean nothing.
        say: is told what is being done.
    """

    is_quick: bool
    say: Callable[[str], None]
