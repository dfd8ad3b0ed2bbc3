"""Collects candles until there are enough of them, or the first has waited long enough."""

from candlecast.market.candle import Candle


class CandleBatch:
    """Candles to be written together, and the offsets to commit once they are.

    Times are handed in (monotonic seconds).
    """

    def __init__(self, *, largest: int, longest_wait_seconds: float) -> None:
        self._largest = largest
        self._longest_wait_seconds = longest_wait_seconds
        self._oldest_seconds: float | None = None
        self.candles: list[Candle] = []
        self.next_offsets: dict[int, int] = {}
        """By partition: the offset of the first record that is not part of this batch."""

    def add(self, candle: Candle | None, *, partition: int, offset: int, now: float) -> None:
        """Take the outcome of one record: a candle, or nothing to write but an offset."""
        self.next_offsets[partition] = offset + 1
        if self._oldest_seconds is None:
            self._oldest_seconds = now
        if candle is not None:
            self.candles.append(candle)

    def is_due(self, now: float) -> bool:
        """Whether it is time to write."""
        if self._oldest_seconds is None:
            return False
        waited_seconds = now - self._oldest_seconds
        return len(self.candles) >= self._largest or waited_seconds >= self._longest_wait_seconds

    def clear(self) -> None:
        """Begin anew."""
        self.candles.clear()
        self.next_offsets.clear()
        self._oldest_seconds = None

    def __len__(self) -> int:
        return len(self.candles)
