"""The live pipeline as processes: simulator, services, and what watches them from outside."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.pipeline.sightings import Key, read_sightings
from benchmarks.service_process import LOOPBACK, ServiceProcess
from candlecast.runtime.operating_system import free_ports

PRODUCT_IDS = ("BTC/USD", "ETH/USD", "SOL/USD", "DOGE/USD")
_SHORTEST_USUAL_WINDOW_SECONDS = 60


class LiveStack:
    """Runs as long as a `with` block; its services have their usual settings.

    Args:
        window_seconds: length of a candle, and of the grid on which the producer proves by REST
            that nothing is missing. Below a minute, the limits on REST calls are lifted.
        broker_address: of Kafka.
        directory: for everything it writes.
    """

    def __init__(self, *, window_seconds: int, broker_address: str, directory: Path) -> None:
        self._window_seconds = window_seconds
        self._directory = directory
        self._store_directory = directory / "feature_store"
        self._arrivals_path = directory / "arrivals.jsonl"
        self._rows_path = directory / "rows.jsonl"
        self._common = {
            "KAFKA_BROKER_ADDRESS": broker_address,
            "MARKET_DATA_SOURCE": "simulator",
            "MONITORING_HOST": LOOPBACK,
        }
        self._processes = ExitStack()
        self._services: dict[str, ServiceProcess] = {}
        self.trades_topic = f"live_{window_seconds}s_trades"
        self.ohlc_topic = f"live_{window_seconds}s_ohlc"

    def __enter__(self) -> Self:
        """Start everything, in the order of the stream's end to its beginning."""
        exchange_port, relay_port = free_ports(LOOPBACK, 2)
        try:
            self._start_exchange(exchange_port, relay_port)
            self._start_consumers()
            self._start_service(
                "trade_producer", self._producer_settings(exchange_port, relay_port)
            )
            self._start_watch("store_watch", self._rows_path, str(self._store_directory))
        except BaseException:
            self._processes.close()
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything, the last started first."""
        self._processes.close()

    def require_running(self) -> None:
        """Make sure that no service has ended.

        Raises:
            InvariantError: one has.
        """
        for service in self._services.values():
            service.require_running()

    @property
    def resident_megabytes(self) -> Mapping[str, float]:
        """The memory that each service holds now."""
        return {name: service.resident_megabytes for name, service in self._services.items()}

    def arrivals(self) -> dict[Key, float]:
        """When each trade was given to the producer's socket."""
        return read_sightings(self._arrivals_path)

    def rows(self) -> dict[Key, float]:
        """When each candle's row was first readable in the online store."""
        return read_sightings(self._rows_path)

    @property
    def _is_short(self) -> bool:
        return self._window_seconds < _SHORTEST_USUAL_WINDOW_SECONDS

    def _start_exchange(self, port: int, relay_port: int) -> None:
        settings = {
            "SIMULATOR_PORT": str(port),
            "PRODUCTS": ",".join(PRODUCT_IDS),
            "SPEED": "1",
            **({"REST_CALLS_PER_SECOND": "0"} if self._is_short else {}),
        }
        self._start_service("kraken_simulator", settings)
        upstream_url = f"ws://{LOOPBACK}:{port}/v2"
        self._start_watch("relay", self._arrivals_path, upstream_url, str(relay_port))

    def _start_consumers(self) -> None:
        self._start_service(
            "trade_to_ohlc",
            {
                "KAFKA_INPUT_TOPIC": self.trades_topic,
                "KAFKA_OUTPUT_TOPIC": self.ohlc_topic,
                "KAFKA_CONSUMER_GROUP": f"{self.ohlc_topic}_trade_to_ohlc",
                "OHLC_WINDOW_SECONDS": str(self._window_seconds),
                "STATE_DIR": str(self._directory / "state"),
            },
        )
        self._start_service(
            "kafka_to_feature_store",
            {
                "KAFKA_INPUT_TOPIC": self.ohlc_topic,
                "KAFKA_CONSUMER_GROUP": f"{self.ohlc_topic}_kafka_to_feature_store",
                "FEATURE_STORE_DIR": str(self._store_directory),
            },
        )

    def _producer_settings(self, exchange_port: int, relay_port: int) -> dict[str, str]:
        return {
            "KAFKA_TOPIC": self.trades_topic,
            "PRODUCT_IDS": ",".join(PRODUCT_IDS),
            "KRAKEN_REST_URL": f"http://{LOOPBACK}:{exchange_port}",
            "KRAKEN_WEBSOCKET_URL": f"ws://{LOOPBACK}:{relay_port}",
            "COMPLETENESS_CHECK_SECONDS": str(self._window_seconds),
            **({"KRAKEN_REST_CALLS_PER_SECOND": "10"} if self._is_short else {}),
        }

    def _start_service(self, module: str, settings: Mapping[str, str]) -> None:
        metrics_port = str(free_ports(LOOPBACK, 1)[0])
        environment = {**self._common, "METRICS_PORT": metrics_port, **settings}
        service = ServiceProcess(module, environment, directory=self._directory)
        self._services[module] = self._processes.enter_context(service)
        service.wait_until_ready()

    def _start_watch(self, name: str, sightings_path: Path, *arguments: str) -> None:
        watch = ServiceProcess(
            f"benchmarks.pipeline.{name}",
            {},
            directory=self._directory,
            arguments=[str(sightings_path), *arguments],
        )
        self._processes.enter_context(watch).wait_for_file(sightings_path)
