"""Starting: what has to be there before the first candle is read, and may be away for any time."""

from collections.abc import Callable
from typing import TypeVar

from loguru import logger

from candlecast.errors import TransientError
from candlecast.messaging.pipeline_topics import candles_topic, dead_letter_topic
from candlecast.messaging.topics import create_topics, wait_for_broker
from candlecast.runtime.backoff import backoff_delays
from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.store.settings import open_feature_store
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.service import ASSIGNED, KafkaToFeatureStore
from kafka_to_feature_store.settings import Settings
from kafka_to_feature_store.writer import STORE

_LOOK_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0

Value = TypeVar("Value")


def run(
    settings: Settings, context: ServiceContext, stop: StopSignal, calls: BackgroundCalls
) -> None:
    """Open the store, wait for the broker, and store candles until told to stop or complete.

    Raises:
        ConfigurationError: the store, the broker or the records are not what the settings say.
    """
    context.readiness.require(STORE, ASSIGNED)
    start = _Start(context, stop, calls)
    store = start.until_done(STORE, lambda: open_feature_store(settings))
    if store is None:
        return
    try:
        if wait_for_broker(settings.client_config(), wait=start.is_told_to_stop):
            start.until_done(ASSIGNED, lambda: _create_topics(settings))
        if not stop.is_set:
            KafkaToFeatureStore(
                settings, store=store, context=context, stop=stop, calls=calls
            ).run()
    finally:
        # Not here: it would wait for a write that is stuck.
        calls.start(store.close, name="close_store")
        calls.wait_for_all(_CLOSE_SECONDS)


def _create_topics(settings: Settings) -> None:
    topic = settings.kafka_input_topic
    create_topics(
        settings.client_config(),
        [
            candles_topic(settings, topic, is_historical=settings.is_historical),
            dead_letter_topic(settings, topic),
        ],
    )


class _Start:
    """Makes calls until they go through; the process is alive meanwhile and can be stopped."""

    def __init__(self, context: ServiceContext, stop: StopSignal, calls: BackgroundCalls) -> None:
        self._context = context
        self._stop = stop
        self._calls = calls

    def is_told_to_stop(self, seconds: float) -> bool:
        """Wait; True as soon as the process should stop."""
        self._context.heartbeat.beat()
        return self._stop.wait(seconds)

    def until_done(self, condition: str, call: Callable[[], Value]) -> Value | None:
        """Return what the call returned; None when told to stop before."""
        for pause_seconds in backoff_delays(maximum_seconds=_LONGEST_PAUSE_SECONDS):
            outcome = self._calls.start(call, name=condition)
            while not outcome.done():
                if self.is_told_to_stop(_LOOK_SECONDS):
                    return None
            try:
                value = outcome.result()
            except TransientError as error:
                self._context.readiness.degrade(condition, str(error))
                retry_seconds = round(pause_seconds, 1)
                logger.warning("start_delayed", reason=str(error), retry_seconds=retry_seconds)
                if self.is_told_to_stop(pause_seconds):
                    return None
            else:
                self._context.readiness.degrade(condition, None)
                return value
        return None
