"""What a Kafka consumer says about itself once in a while."""

from dataclasses import dataclass

import msgspec

STATISTICS_INTERVAL_MS = 1_000


@dataclass(frozen=True, slots=True)
class ConsumerStatistics:
    """A consumer's own view.

    Attributes:
        is_assigned: whether it is a settled member of its group, and in touch with it.
        lag_records: records of the topic that it has not read.
    """

    is_assigned: bool
    lag_records: int


class _Group(msgspec.Struct):
    state: str = ""
    join_state: str = ""


class _Partition(msgspec.Struct):
    consumer_lag: int = -1


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Statistics(msgspec.Struct):
    cgrp: _Group = msgspec.field(default_factory=_Group)
    topics: dict[str, _Topic] = {}


_decoder = msgspec.json.Decoder(_Statistics)


def parse_consumer_statistics(statistics: str, topic: str) -> ConsumerStatistics:
    """Read librdkafka's statistics (its STATISTICS.md); a lag of -1 is one it does not know yet."""
    fields = _decoder.decode(statistics)
    partitions = fields.topics.get(topic, _Topic()).partitions
    return ConsumerStatistics(
        # Without a broker the member believes itself settled until its session is over.
        is_assigned=fields.cgrp.state == "up" and fields.cgrp.join_state == "steady",
        lag_records=sum(
            max(partition.consumer_lag, 0)
            for number, partition in partitions.items()
            if number != "-1"
        ),
    )
