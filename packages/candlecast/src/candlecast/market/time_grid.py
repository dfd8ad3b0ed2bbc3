"""The grid of candle windows: integer UTC milliseconds, floored, never rounded."""

from collections.abc import Iterator

MILLISECONDS_PER_SECOND = 1_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000


def floor_to_window(timestamp_ms: int, window_ms: int = MINUTE_MS) -> int:
    """Return the start of the window that holds a moment; windows are aligned to the epoch."""
    return timestamp_ms - timestamp_ms % window_ms


def ceil_to_window(timestamp_ms: int, window_ms: int = MINUTE_MS) -> int:
    """Return the first window start at or after a moment."""
    return -(-timestamp_ms // window_ms) * window_ms


def window_starts(start_ms: int, end_ms: int, window_ms: int = MINUTE_MS) -> Iterator[int]:
    """Yield the starts of the windows that lie wholly in [start_ms, end_ms)."""
    first_ms = ceil_to_window(start_ms, window_ms)
    return iter(range(first_ms, floor_to_window(end_ms, window_ms), window_ms))
