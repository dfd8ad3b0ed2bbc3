"""Which offsets wait to be committed: one request at a time, and again when one fails.

The client's own synchronous commit waits for the broker as long as it likes, and a process that is
told to stop has ten seconds.
"""

from collections.abc import Collection, Iterator, Mapping

from candlecast.runtime.backoff import backoff_delays

_LONGEST_PAUSE_SECONDS = 5.0


class OffsetCommits:
    """The offsets of what is stored, by partition: those to commit, and those being committed.

    Times are handed in (monotonic seconds).
    """

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}
        self._sent: dict[int, int] | None = None
        self._pauses = _pauses()
        self._earliest_seconds = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether the broker has everything."""
        return not self._waiting and self._sent is None

    def add(self, next_offsets: Mapping[int, int]) -> None:
        """Ask for these offsets to be committed."""
        self._waiting.update(next_offsets)

    def forget(self, partitions: Collection[int]) -> None:
        """Leave alone partitions that belong to somebody else now."""
        for partition in partitions:
            self._waiting.pop(partition, None)
            if self._sent is not None:
                self._sent.pop(partition, None)

    def next_request(self, now_seconds: float) -> Mapping[int, int]:
        """Return what to send to the broker now; nothing while a request is under way."""
        if self._sent is not None or not self._waiting or now_seconds < self._earliest_seconds:
            return {}
        self._earliest_seconds = now_seconds + next(self._pauses)
        self._sent, self._waiting = self._waiting, {}
        return self._sent

    def note_success(self) -> Mapping[int, int]:
        """Take note that the broker has what was sent; return it."""
        committed, self._sent = self._sent or {}, None
        self._pauses = _pauses()
        self._earliest_seconds = 0.0
        return committed

    def note_failure(self) -> None:
        """Take note that the broker does not have it; it is sent again a little later."""
        self._waiting = {**(self._sent or {}), **self._waiting}
        self._sent = None


def _pauses() -> Iterator[float]:
    return backoff_delays(initial_seconds=0.1, maximum_seconds=_LONGEST_PAUSE_SECONDS)
