"""The simulator as a service: settings in, served until a signal."""

import asyncio

from loguru import logger

from candlecast.runtime.logging import configure_logging
from candlecast.runtime.monitoring import Heartbeat, MonitoringServer, Readiness
from candlecast.runtime.process import run_until_signal
from candlecast.runtime.settings import load_settings
from kraken_simulator.bootstrap import Simulator, build_simulator
from kraken_simulator.server import SimulatorServer, bind_socket
from kraken_simulator.settings import Settings

_BEAT_SECONDS = 1.0


def main() -> None:
    """Run the service."""
    settings = load_settings(Settings)
    configure_logging("kraken_simulator", settings.log_level)
    simulator = build_simulator(settings)
    heartbeat, readiness = Heartbeat(), Readiness()
    with (
        bind_socket(settings.simulator_host, settings.simulator_port) as listener,
        MonitoringServer(
            host=settings.monitoring_host,
            port=settings.metrics_port,
            registry=simulator.metrics.registry,
            heartbeat=heartbeat,
            readiness=readiness,
        ),
    ):
        server = SimulatorServer(simulator, listener)
        _log_start(settings, simulator, server.port)
        asyncio.run(run_until_signal(_serve(server, heartbeat)))


async def _serve(server: SimulatorServer, heartbeat: Heartbeat) -> None:
    beating = asyncio.create_task(_beat(heartbeat))
    try:
        await server.serve()
    finally:
        beating.cancel()


async def _beat(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.beat()
        await asyncio.sleep(_BEAT_SECONDS)


def _log_start(settings: Settings, simulator: Simulator, port: int) -> None:
    host = settings.simulator_host
    logger.info(
        "simulator_listening",
        rest_url=f"http://{host}:{port}",
        websocket_url=f"ws://{host}:{port}/v2",
        products=list(simulator.product_ids),
        speed=settings.speed,
        seed=settings.seed,
        server_ms=simulator.clock.now_ns() // 1_000_000,
    )
