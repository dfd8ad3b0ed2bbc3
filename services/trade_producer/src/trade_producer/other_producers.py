"""Notices when somebody else publishes the same products.

Two producers are wasteful, not harmful: both publish contiguous prefixes, and what comes twice is
dropped by trade id. So the second one goes on and says so, for a person to stop one of them.
"""

import threading
import time
from collections.abc import Collection
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from loguru import logger

from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import PRODUCER_ID, header
from candlecast.runtime.monitoring import Readiness
from trade_producer.metrics import Metrics

_FORGET_AFTER_SECONDS = 15.0
_ASSIGN_RETRY_SECONDS = 5.0
_REMARK = "other_producers"


class OtherProducersWatch:
    """Reads the end of the topic in a thread and looks at who wrote.

    Only a watch: when it cannot look, it says so and tries again; a stop does not wait for it long.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        topic: str,
        product_ids: Collection[str],
        producer_id: str,
        metrics: Metrics,
        readiness: Readiness,
        forget_after_seconds: float = _FORGET_AFTER_SECONDS,
    ) -> None:
        self._topic = topic
        self._keys = {product_id.encode(): product_id for product_id in product_ids}
        self._producer_id = producer_id
        self._metrics = metrics
        self._readiness = readiness
        self._forget_after_seconds = forget_after_seconds
        self._seen: dict[tuple[str, str], float] = {}
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                **config,
                # Required by the client; nothing is ever committed to it.
                "group.id": "candlecast-other-producers-watch",
                "enable.auto.commit": False,
                "queued.max.messages.kbytes": 4_096,
            },
            logger=client_log,
        )
        self._thread = threading.Thread(target=self._run, name="other-producers", daemon=True)

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching; a thread that a broker keeps waiting ends with the process."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._assign():
                self._stop.wait(_ASSIGN_RETRY_SECONDS)
            while not self._stop.is_set():
                self._look()
        finally:
            self._consumer.close()

    def _assign(self) -> bool:
        try:
            topic = self._consumer.list_topics(self._topic, timeout=1.0).topics[self._topic]
        except KafkaException as error:
            logger.warning("watch_for_other_producers_waits", reason=str(error.args[0].str()))
            return False
        self._consumer.assign(
            [TopicPartition(self._topic, number, OFFSET_END) for number in topic.partitions]
        )
        return bool(topic.partitions)

    def _look(self) -> None:
        for message in self._consumer.consume(num_messages=500, timeout=0.5):
            if message.error() is not None or message.key() not in self._keys:
                continue
            writer = header(message.headers(), PRODUCER_ID)
            if writer is not None and writer != self._producer_id:
                self._note(self._keys[message.key()], writer)
        self._report()

    def _note(self, product_id: str, writer: str) -> None:
        if (product_id, writer) not in self._seen:
            logger.warning("other_producer_seen", product_id=product_id, producer_id=writer)
        self._seen[product_id, writer] = time.monotonic()

    def _report(self) -> None:
        now = time.monotonic()
        self._seen = {
            who: seen for who, seen in self._seen.items() if now - seen < self._forget_after_seconds
        }
        for product_id in self._keys.values():
            writers = sum(1 for name, _ in self._seen if name == product_id)
            self._metrics.other_producers.labels(product_id).set(writers)
        products = sorted({name for name, _ in self._seen})
        self._readiness.degrade(
            _REMARK, f"another process publishes {', '.join(products)}" if products else None
        )
