"""How long to wait before trying again."""

import random
from collections.abc import Iterator


def backoff_delays(
    *, initial_seconds: float = 0.5, factor: float = 2.0, maximum_seconds: float = 30.0
) -> Iterator[float]:
    """Yield growing delays with full jitter on their upper half, for ever.

    Jitter keeps many clients that lost the same server from coming back at the same moment.
    """
    ceiling_seconds = min(initial_seconds, maximum_seconds)
    while True:
        yield ceiling_seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not for cryptography
        ceiling_seconds = min(ceiling_seconds * factor, maximum_seconds)
