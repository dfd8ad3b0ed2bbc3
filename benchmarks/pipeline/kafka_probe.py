"""The least that Kafka itself takes on this machine: a bare client sends, another one reads.

It runs beside the live services, so that a busy minute of the machine shows in both: what a
service adds is the difference.
"""

import random
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from confluent_kafka import Producer

from benchmarks.pipeline.latencies import Latencies, Span
from benchmarks.pipeline.topic_watch import TopicWatch
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.topics import TopicSpecification, create_topics

_FLUSH_SECONDS = 10.0
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 0.5
_RECORD_BYTES = 250  # as a record of `trades` with one trade


class KafkaProbe:
    """Sends a record now and then while a `with` block lasts, configured as trade_producer is."""

    def __init__(self, config: ClientConfig, topic: str) -> None:
        self._config = config
        self._topic = topic
        self._producer = Producer(
            {**config, "acks": "all", "enable.idempotence": True, "linger.ms": 0},
            logger=client_log,
        )
        self._watch = TopicWatch(config, topic)
        self._thread = threading.Thread(target=self._run, name="kafka_probe", daemon=True)
        self._stop = threading.Event()
        self._sent_seconds: list[float] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Make the topic and begin."""
        create_topics(self._config, [TopicSpecification(name=self._topic, partitions=1)])
        self._open.enter_context(self._watch)
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(_FLUSH_SECONDS)
        self._open.close()

    def latencies(self, span: Span) -> Latencies:
        """One sample a record: from being sent until it was readable."""
        return Latencies(
            tuple(
                (seen.monotonic_seconds - self._sent_seconds[int(seen.value)]) * 1000
                for seen in self._watch.records
                if seen.monotonic_seconds in span
            )
        )

    def _run(self) -> None:
        pauses = random.Random(1)
        while not self._stop.wait(pauses.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)):
            number = str(len(self._sent_seconds)).rjust(_RECORD_BYTES)
            self._sent_seconds.append(time.monotonic())
            self._producer.produce(self._topic, value=number.encode())
            self._producer.poll(0)
