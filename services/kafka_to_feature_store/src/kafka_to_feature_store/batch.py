"""Collects what records hold until there is enough to write, or the first has waited long enough.

Kept apart by partition: a partition that is taken away takes its records with it, and whoever gets
it reads them again.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from candlecast.market.candle import Candle


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that goes to the dead letters."""

    value: bytes | None
    key: bytes | None
    reason: str


@dataclass(slots=True)
class _PartOfBatch:
    next_offset: int = 0
    candles: list[Candle] = field(default_factory=list)
    unreadable: list[UnreadableRecord] = field(default_factory=list)


class CandleBatch:
    """Records to be stored together, and the offsets to commit once they are.

    Times are handed in (monotonic seconds). Its length counts candles and unreadable records.
    """

    def __init__(self, *, largest: int, longest_wait_seconds: float) -> None:
        self._largest = largest
        self._longest_wait_seconds = longest_wait_seconds
        self._parts: dict[int, _PartOfBatch] = {}
        self._oldest_seconds = 0.0

    def add(
        self,
        content: Candle | UnreadableRecord | None,
        *,
        partition: int,
        offset: int,
        now_seconds: float,
    ) -> None:
        """Take the content of one record; None for one that holds nothing to write."""
        if not self._parts:
            self._oldest_seconds = now_seconds
        part = self._parts.setdefault(partition, _PartOfBatch())
        part.next_offset = offset + 1
        if isinstance(content, Candle):
            part.candles.append(content)
        elif content is not None:
            part.unreadable.append(content)

    def forget(self, partitions: Collection[int]) -> None:
        """Leave out what was read from these partitions."""
        for partition in partitions:
            self._parts.pop(partition, None)

    @property
    def candles(self) -> list[Candle]:
        """The candles; those of one partition in the order in which they were read."""
        return [candle for part in self._parts.values() for candle in part.candles]

    @property
    def unreadable(self) -> list[UnreadableRecord]:
        """What is to be put aside."""
        return [record for part in self._parts.values() for record in part.unreadable]

    @property
    def next_offsets(self) -> dict[int, int]:
        """By partition: the offset of the first record after this batch."""
        return {partition: part.next_offset for partition, part in self._parts.items()}

    @property
    def is_empty(self) -> bool:
        """Whether it holds neither records nor offsets."""
        return not self._parts

    @property
    def room(self) -> int:
        """How many records it still takes."""
        return max(self._largest - len(self), 0)

    def seconds_until_due(self, now_seconds: float) -> float:
        """How long it may wait for more; 0 when it is to be written now."""
        if self.is_empty:
            return self._longest_wait_seconds
        if self.room == 0:
            return 0.0
        return max(self._oldest_seconds + self._longest_wait_seconds - now_seconds, 0.0)

    def __len__(self) -> int:
        return sum(len(part.candles) + len(part.unreadable) for part in self._parts.values())
