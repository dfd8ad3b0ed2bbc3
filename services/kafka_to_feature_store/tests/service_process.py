"""The service as a process of its own on a local store, and what the store has afterwards."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from candlecast.store.local import LocalFeatureStore
from candlecast.testing.services import RunningService, running_service
from candlecast.testing.stored_candles import FOREVER, GROUP, closes_of, minutes_of

from .candle_topic import CandleTopic

_PREFIX = "candlecast_kafka_to_feature_store_"


def service_process(
    topic: CandleTopic, store_directory: Path, **settings: str
) -> AbstractContextManager[RunningService]:
    """Run the service until the block ends; one that is killed gets its partitions back at once."""
    return running_service(
        "kafka_to_feature_store",
        store_directory.parent,
        **{
            "KAFKA_BROKER_ADDRESS": topic.address,
            "KAFKA_INPUT_TOPIC": topic.name,
            "KAFKA_CONSUMER_GROUP": topic.name,
            "KAFKA_GROUP_INSTANCE_ID": f"{topic.name}-0",
            "FEATURE_STORE_DIR": str(store_directory),
            "MARKET_DATA_SOURCE": "simulator",
            **settings,
        },
    )


@contextmanager
def local_store(directory: Path) -> Iterator[LocalFeatureStore]:
    """Open the store beside the service."""
    with LocalFeatureStore(directory, "simulator") as store:
        yield store


def metric(service: RunningService, name: str, **labels: str) -> float:
    """Return a metric of the service by the end of its name."""
    return service.metric(_PREFIX + name, **labels)


def resident_megabytes(service: RunningService) -> float:
    """Return the memory the process holds."""
    status = Path(f"/proc/{service.process_id}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def assert_history(directory: Path, product_id: str, minutes: int, *, close: float = 1.5) -> None:
    """Compare the history of a product with the minutes 1 to `minutes`, each of which is there."""
    with local_store(directory) as store:
        rows = store.read_offline(GROUP, product_id, *FOREVER)
        assert minutes_of(rows) == list(range(1, minutes + 1))
        assert closes_of(rows) == [close] * minutes
