"""Sends candles to Kafka, and makes the stream's checkpoint wait until the broker has them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from quixstreams.sinks import BaseSink

from candlecast.errors import TransientError
from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import EndOfStream, encode_candle_record
from candlecast.messaging.connection import ClientConfig, client_log
from candlecast.messaging.headers import MARKET_DATA_SOURCE
from candlecast.runtime.process import StopSignal

_QUEUE_KBYTES = 65_536
_POLL_SECONDS = 0.2


class CandleSink(BaseSink):
    """Takes what each record of trades brought about.

    The same guarantee as Quix's own output (sent before the offsets are committed), at a third of
    its cost for each candle; and a broker that is away is waited for without looking dead.

    Args:
        config: how to reach Kafka.
        topic: where the candles go.
        market_data_source: said in a header of each.
        is_historical: whether candles come by the thousand.
        stop: ends the wait for a broker that is away, after `stop_seconds` more.
        on_wait: called again and again while waiting.
        stop_seconds: less than the ten that a service may take to stop.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        topic: str,
        market_data_source: str,
        is_historical: bool,
        stop: StopSignal,
        on_wait: Callable[[], None],
        stop_seconds: float = 5.0,
    ) -> None:
        super().__init__(on_client_connect_success=_say_nothing)
        self._topic = topic
        self._headers = [(MARKET_DATA_SOURCE, market_data_source.encode())]
        self._stop = stop
        self._on_wait = on_wait
        self._stop_seconds = stop_seconds
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                **config,
                "acks": "all",
                "enable.idempotence": True,
                # murmur2 as in the Java client, so that other tools find the same partitions.
                "partitioner": "murmur2_random",
                # Live, a lone candle must not wait for company; a backfill is all company.
                "linger.ms": 20 if is_historical else 0,
                "compression.type": "lz4" if is_historical else "none",
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "message.timeout.ms": 0,
            },
            logger=client_log,
        )

    def add(self, value: Sequence[Candle | EndOfStream], *_: Any, **_context: Any) -> None:
        """Queue candles for delivery.

        Raises:
            TransientError: the broker refused one, or told to stop while its queue is full.
        """
        for output in value:
            # Whatever the input's key was: readers look for a product by its name.
            self._produce(output.product_id.encode(), encode_candle_record(output))
        self._producer.poll(0)
        self._raise_for_failure()

    def flush(self) -> None:
        """Wait until the broker has everything, however long it is away.

        What the checkpoint does next, sending state and offsets, would wait in one call of the
        client, deaf to signals; so even with nothing to send it is not let through before the
        broker answers.

        Raises:
            TransientError: it refused a candle, or did not come back when told to stop.
        """
        self._wait_while(lambda: self._producer.flush(_POLL_SECONDS) > 0)
        self._raise_for_failure()
        self._wait_while(lambda: not self._broker_answers())

    def _produce(self, key: bytes, value: bytes) -> None:
        if not self._is_queued(key, value):
            self._wait_while(lambda: not self._is_queued(key, value))

    def _is_queued(self, key: bytes, value: bytes) -> bool:
        try:
            self._producer.produce(
                self._topic,
                value=value,
                key=key,
                headers=self._headers,
                on_delivery=self._on_delivery,
            )
        except BufferError:
            self._producer.poll(_POLL_SECONDS)
            return False
        return True

    def _broker_answers(self) -> bool:
        try:
            self._producer.list_topics(self._topic, timeout=_POLL_SECONDS)
        except KafkaException:
            return False
        return True

    def _wait_while(self, is_busy: Callable[[], bool]) -> None:
        until_seconds: float | None = None
        while is_busy():
            self._on_wait()
            if not self._stop.is_set:
                continue
            until_seconds = until_seconds or time.monotonic() + self._stop_seconds
            if time.monotonic() > until_seconds:
                raise TransientError("the broker is away; a restart sends its candles again")

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = error

    def _raise_for_failure(self) -> None:
        if self._failure is not None:
            raise TransientError(f"a candle could not be delivered: {self._failure.str()}")


def _say_nothing() -> None:
    """There is nothing to connect to that was not there before."""
