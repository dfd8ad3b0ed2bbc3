"""What the commands run on this machine: the broker, an exchange, and waiting for services."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from candlecast.embedded_broker import broker_status, start_detached, stop_detached
from candlecast.errors import TransientError
from candlecast.kraken.rest import PRODUCTION_BASE_URL, SIMULATOR_HEADER
from candlecast.kraken.websocket import PRODUCTION_URL
from candlecast.runtime.operating_system import free_ports, is_port_free
from candlecast.runtime.settings import MarketDataSource
from candlecast_tools.market_source import continue_clock, simulator_service, stop_clock
from candlecast_tools.metrics_page import is_ready
from candlecast_tools.pipeline import ExchangeAddress, Pipeline
from candlecast_tools.supervisor import ProcessSpecification, Supervisor

DATA_DIRECTORY = Path(".data")
BROKER_DIRECTORY = DATA_DIRECTORY / "broker"

_HOST = "127.0.0.1"
_SIMULATOR_PORT = 8766
_SIMULATOR_CALLS_PER_SECOND = 100.0
_READY_SECONDS = 90.0
_TURN_SECONDS = 0.25
_KRAKEN = ExchangeAddress(
    rest_url=PRODUCTION_BASE_URL, websocket_url=PRODUCTION_URL, rest_calls_per_second=1.0
)


@contextmanager
def running_broker(console: Console) -> Iterator[str]:
    """Give the broker's address: KAFKA_BROKER_ADDRESS, one that runs here, or one started now."""
    given = os.environ.get("KAFKA_BROKER_ADDRESS")
    running = broker_status(BROKER_DIRECTORY)
    if given:
        yield given
    elif running is not None:
        yield running.address
    else:
        with console.status("starting Apache Kafka") as status:
            info = start_detached(
                BROKER_DIRECTORY, progress=lambda text: status.update(f"Apache Kafka: {text}")
            )
        console.print(f"Apache Kafka runs on {info.address}")
        try:
            yield info.address
        finally:
            stop_detached(BROKER_DIRECTORY)


@contextmanager
def running_exchange(
    source: MarketDataSource, directory: Path, supervisor: Supervisor, *, speed: float = 1.0
) -> Iterator[ExchangeAddress]:
    """Give the exchange's address; a simulator that runs here is used, else one is started."""
    if source == "kraken":
        yield _KRAKEN
        return
    if _is_simulator(_SIMULATOR_PORT) and speed == 1.0:
        yield _simulator_address(_SIMULATOR_PORT)
        return
    clock = continue_clock(directory, speed=speed)
    free_port, metrics_port = free_ports(_HOST, 2)
    port = _SIMULATOR_PORT if is_port_free(_HOST, _SIMULATOR_PORT) else free_port
    service = simulator_service(clock, port=port, metrics_port=metrics_port)
    supervisor.start([service])
    try:
        wait_until_ready([service], supervisor)
        yield _simulator_address(port)
    finally:
        supervisor.stop(service.name)
        stop_clock(directory)


def start_live(
    pipeline: Pipeline, product_ids: Sequence[str], supervisor: Supervisor, console: Console
) -> list[ProcessSpecification]:
    """Start the live services and wait until each is ready."""
    services = pipeline.live_services(product_ids, free_ports(_HOST, 3))
    with console.status("starting the services"):
        supervisor.start(services)
        wait_until_ready(services, supervisor)
    console.print(f"live: {', '.join(service.name for service in services)}")
    return services


def wait_until_ready(services: Sequence[ProcessSpecification], supervisor: Supervisor) -> None:
    """Wait until every service says that it does its work.

    Raises:
        TransientError: one does not get ready.
    """
    waiting = list(services)

    def all_ready() -> bool:
        waiting[:] = [service for service in waiting if not is_ready(service.metrics_port)]
        return not waiting

    wait_until(
        all_ready, _READY_SECONDS, supervisor, complaint=lambda: f"{waiting[0].name} is not ready"
    )


def wait_until(
    condition: Callable[[], bool],
    patience_seconds: float,
    supervisor: Supervisor,
    *,
    complaint: Callable[[], str],
) -> None:
    """Keep the processes running until a condition holds.

    Raises:
        TransientError: it does not come to hold.
    """
    deadline_seconds = time.monotonic() + patience_seconds
    while not condition():
        supervisor.tick()
        if time.monotonic() > deadline_seconds:
            raise TransientError(f"{complaint()} after {patience_seconds:.0f} s; see the logs")
        time.sleep(_TURN_SECONDS)


def topic_prefix(source: MarketDataSource) -> str:
    """Return what sets the topics of simulated data apart."""
    return "" if source == "kraken" else "simulated_"


def _simulator_address(port: int) -> ExchangeAddress:
    return ExchangeAddress(
        rest_url=f"http://{_HOST}:{port}",
        websocket_url=f"ws://{_HOST}:{port}/v2",
        rest_calls_per_second=_SIMULATOR_CALLS_PER_SECOND,
    )


def _is_simulator(port: int) -> bool:
    try:
        answer = httpx.get(f"http://{_HOST}:{port}/0/public/Time", timeout=1.0)
    except httpx.HTTPError:
        return False
    return SIMULATOR_HEADER in answer.headers
