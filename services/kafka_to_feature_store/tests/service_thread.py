"""The service in a thread of the test, with a store of the test's choice."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.store.feature_group import FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.feature_store import FeatureStore
from candlecast.testing.in_memory_feature_store import InMemoryFeatureData, InMemoryFeatureStore
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.service import ASSIGNED, KafkaToFeatureStore
from kafka_to_feature_store.settings import Settings

from .candle_topic import CandleTopic

PATIENCE_SECONDS = 20.0

Hook = Callable[[str], None]


def do_nothing(_method: str) -> None:
    """Let every call through."""


class HookedStore(InMemoryFeatureStore):
    """A store in memory that calls `hook` with the method's name first: it may block or raise."""

    def __init__(self, data: InMemoryFeatureData | None = None) -> None:
        super().__init__(data)
        self.hook: Hook = do_nothing
        self.written_rows: list[int] = []
        """The number of rows of each write that went through."""

    def write_online(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Write, after the hook."""
        self.hook("write_online")
        super().write_online(group, rows)
        self.written_rows.append(len(rows))

    def write_offline(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Write, after the hook."""
        self.hook("write_offline")
        super().write_offline(group, rows)
        self.written_rows.append(len(rows))

    def materialize(self, group: FeatureGroup) -> int:
        """Materialise, after the hook."""
        self.hook("materialize")
        return super().materialize(group)


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that runs in a thread."""

    context: ServiceContext
    stop: StopSignal
    ended: "Future[None]"

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 when it has none yet."""
        value = self.context.registry.get_sample_value(
            f"candlecast_kafka_to_feature_store_{name}", labels
        )
        return 0.0 if value is None else value

    @property
    def is_assigned(self) -> bool:
        """Whether it is a settled member of its group."""
        return self.context.readiness.conditions[ASSIGNED]

    def end(self) -> None:
        """Stop it as SIGTERM does, and wait; raises what the service raised."""
        self.stop.set()
        self.ended.result(PATIENCE_SECONDS)


def make_settings(topic: CandleTopic, **settings: object) -> Settings:
    """Build settings for a test's topic; the consumer group has the topic's name."""
    defaults = {
        "kafka_broker_address": topic.address,
        "kafka_input_topic": topic.name,
        "kafka_consumer_group": topic.name,
        "market_data_source": "simulator",
        "materialize_seconds": 3600.0,
    }
    return Settings.model_validate({**defaults, **settings})


@contextmanager
def service_thread(
    topic: CandleTopic, store: FeatureStore, **settings: object
) -> Iterator[RunningService]:
    """Run the service until the block ends."""
    context, stop = ServiceContext(), StopSignal()
    context.readiness.require(ASSIGNED)
    service = KafkaToFeatureStore(
        make_settings(topic, **settings),
        store=store,
        context=context,
        stop=stop,
        calls=BackgroundCalls(),
    )
    with in_thread(service.run, stop) as ended:
        yield RunningService(context, stop, ended)


@contextmanager
def in_thread(call: Callable[[], None], stop: StopSignal) -> Iterator["Future[None]"]:
    """Make a call that ends when told to stop, until the block ends."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - handed to the test
            ended.set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=run, name="service")
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
