"""The live services as processes against a simulator, for tests that break things."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from candlecast.market.time_grid import MINUTE_MS
from candlecast.runtime.operating_system import free_ports
from candlecast.store.check import CompletenessReport
from candlecast.store.feature_group import ohlc_feature_group
from candlecast.store.local import LocalFeatureStore
from candlecast_tools.pipeline import ExchangeAddress, Pipeline
from candlecast_tools.store_check import CheckRange, Exchange, check_store
from candlecast_tools.supervisor import ProcessSpecification, Supervisor
from kraken_simulator.testing import RunningSimulator

GROUP = ohlc_feature_group()
_TURN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LivePipeline:
    """A running pipeline."""

    pipeline: Pipeline
    supervisor: Supervisor
    services: Sequence[ProcessSpecification]
    product_ids: tuple[str, ...]

    def newest_minute_ms(self) -> int:
        """End of the newest candle that every product has; 0 before that."""
        with LocalFeatureStore(self.pipeline.store_directory, "simulator") as store:
            newest = [store.newest_timestamp_ms(GROUP, name) for name in self.product_ids]
        return min(0 if moment is None else moment for moment in newest)

    def first_minute_ms(self) -> int:
        """Start of the first minute that every product has."""
        with LocalFeatureStore(self.pipeline.store_directory, "simulator") as store:
            return max(
                int(store.read_online(GROUP, name, 0, 2**62)["start_ms"][0])
                for name in self.product_ids
            )

    def run_until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Keep the services alive until a condition holds."""
        deadline_seconds = time.monotonic() + seconds
        while not condition():
            self.supervisor.tick()
            assert time.monotonic() < deadline_seconds, f"not within {seconds} s"
            time.sleep(_TURN_SECONDS)

    def run_minutes(self, minutes: int, *, seconds: float = 60.0) -> None:
        """Let so many more minutes get into the store."""
        until_ms = self.newest_minute_ms() + minutes * MINUTE_MS
        self.run_until(lambda: self.newest_minute_ms() >= until_ms, seconds=seconds)

    def check(self, start_ms: int, end_ms: int) -> dict[str, CompletenessReport]:
        """Compare the store with the simulator's truth."""
        with LocalFeatureStore(self.pipeline.store_directory, "simulator") as store:
            return check_store(
                store,
                GROUP,
                self.product_ids,
                CheckRange(start_ms=start_ms, end_ms=end_ms),
                Exchange(source="simulator", rest_url=self.pipeline.exchange.rest_url),
                console=Console(stderr=True),
            )

    def assert_equal_to_the_truth(self, start_ms: int, end_ms: int) -> None:
        """Every minute is there, once, and what the exchange says it was."""
        for product_id, report in self.check(start_ms, end_ms).items():
            assert report.verified_minutes == report.expected_minutes > 0, (product_id, report)
            assert report.is_clean, (product_id, report)


@contextmanager
def running_live_pipeline(
    simulator: RunningSimulator,
    directory: Path,
    *,
    broker_address: str,
    topic_prefix: str,
    product_ids: tuple[str, ...],
) -> Iterator[LivePipeline]:
    """Start the three live services; everything is stopped in the end."""
    pipeline = Pipeline(
        source="simulator",
        directory=directory,
        broker_address=broker_address,
        exchange=ExchangeAddress(
            rest_url=simulator.rest_url,
            websocket_url=simulator.websocket_url,
            rest_calls_per_second=50.0,
        ),
        topic_prefix=topic_prefix,
        materialize_seconds=2.0,
    )
    services = pipeline.live_services(product_ids, free_ports("127.0.0.1", 3))
    with Supervisor(directory) as supervisor:
        supervisor.start(services)
        live = LivePipeline(pipeline, supervisor, services, product_ids)
        live.run_until(lambda: live.newest_minute_ms() > 0, seconds=90)
        yield live
