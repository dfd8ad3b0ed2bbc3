"""Reads a topic as it grows and notes when each record was readable."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from candlecast.messaging.connection import ClientConfig, client_log

_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record as it came, and when."""

    value: bytes
    monotonic_seconds: float


class TopicWatch:
    """Reads all partitions from their ends on, in a thread, while a `with` block lasts.

    Records are kept as bytes: decoding them would make the next ones late. `poll` returns with
    the first record there is; `consume` would wait for more of them.
    """

    def __init__(self, config: ClientConfig, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                **config,
                "group.id": "benchmark-watch",
                "enable.auto.commit": False,
                # How long the broker may hold a fetch that finds nothing. One that finds something
                # is answered at once; a short hold keeps the next fetch from being late.
                "fetch.wait.max.ms": 20,
            },
            logger=client_log,
        )
        self._thread = threading.Thread(target=self._run, name=f"watch_{topic}", daemon=True)
        self._is_stopping = False
        self._failure: BaseException | None = None
        self.records: list[SeenRecord] = []

    def __enter__(self) -> Self:
        """Start reading; the topic has to exist."""
        metadata = self._consumer.list_topics(self._topic, timeout=_TIMEOUT_SECONDS)
        numbers = metadata.topics[self._topic].partitions
        self._consumer.assign(
            [TopicPartition(self._topic, number, OFFSET_END) for number in numbers]
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._is_stopping = True
        self._thread.join()
        self._consumer.close()
        if self._failure is not None and exception is None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._read_one()
        except BaseException as error:  # noqa: BLE001 - raised where the block is left
            self._failure = error

    def _read_one(self) -> None:
        message = self._consumer.poll(_POLL_SECONDS)
        moment = time.monotonic()
        if message is None:
            return
        if message.error() is not None:
            raise KafkaException(message.error())
        self.records.append(SeenRecord(message.value(), moment))
