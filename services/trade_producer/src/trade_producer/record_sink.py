"""Where records go: the port between what decides about records and Kafka."""

from typing import Protocol

from candlecast.messaging.trades_record import TradesRecord


class RecordSink(Protocol):
    """Takes records in order; never loses one it took, unless the process ends."""

    def publish(
        self, record: TradesRecord, *, received_monotonic_seconds: float | None = None
    ) -> None:
        """Take a record, without waiting.

        Args:
            record: what to publish.
            received_monotonic_seconds: when its trades arrived, to measure the latency.

        Raises:
            TransientError: it cannot be published; the process has to start again.
        """

    async def wait_for_room(self) -> None:
        """Wait until another record is welcome, however long that takes."""
