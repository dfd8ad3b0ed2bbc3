"""Entry point: `python -m trade_producer`."""

import asyncio

from candlecast.messaging.topics import wait_for_broker
from candlecast.runtime.process import StopSignal, run_service, run_until_signal
from candlecast.runtime.service import monitored_service
from candlecast.runtime.settings import load_settings
from trade_producer.service import produce_trades
from trade_producer.settings import Settings

SERVICE = "trade_producer"


def main() -> None:
    """Run the service until it is told to stop, or a historical run is complete."""
    settings = load_settings(Settings)
    stop = StopSignal()
    stop.install()
    with monitored_service(SERVICE, settings) as context:

        def wait(seconds: float) -> bool:
            context.heartbeat.beat()
            return stop.wait(seconds)

        if wait_for_broker(settings.client_config(), wait=wait):
            asyncio.run(run_until_signal(produce_trades(settings, context)))


if __name__ == "__main__":
    run_service(SERVICE, main)
