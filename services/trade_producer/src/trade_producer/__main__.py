"""Entry point: `python -m trade_producer`."""

import asyncio

from candlecast.messaging.topics import wait_for_broker
from candlecast.runtime.process import StopSignal, run_service, run_until_signal
from candlecast.runtime.service import ServiceContext, monitored_service
from candlecast.runtime.settings import load_settings
from trade_producer.service import produce_trades, require_conditions
from trade_producer.settings import Settings

SERVICE = "trade_producer"


def main() -> None:
    """Run the service until it is told to stop, or a historical run is complete."""
    settings = load_settings(Settings)
    stop = StopSignal()
    stop.install()
    with monitored_service(SERVICE, settings) as context:
        require_conditions(settings, context.readiness)

        def wait(seconds: float) -> bool:
            context.heartbeat.beat()
            return stop.wait(seconds)

        if wait_for_broker(settings.client_config(), wait=wait):
            asyncio.run(run_until_signal(_produce_unless_stopped(settings, context, stop)))


async def _produce_unless_stopped(
    settings: Settings, context: ServiceContext, stop: StopSignal
) -> None:
    # From here on signals reach the loop; one that came before was only noted.
    if not stop.is_set:
        await produce_trades(settings, context)


if __name__ == "__main__":
    run_service(SERVICE, main)
