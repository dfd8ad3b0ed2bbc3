"""Entry point: `python -m trade_to_ohlc`."""

from candlecast.messaging.topics import wait_for_broker
from candlecast.runtime.process import StopSignal, run_service
from candlecast.runtime.service import monitored_service
from candlecast.runtime.settings import load_settings
from trade_to_ohlc.service import READY, TradeToOhlc
from trade_to_ohlc.settings import Settings

SERVICE = "trade_to_ohlc"


def main() -> None:
    """Run the service until it is told to stop."""
    settings = load_settings(Settings)
    stop = StopSignal()
    stop.install()
    with monitored_service(SERVICE, settings) as context:
        context.readiness.require(READY)

        def wait(seconds: float) -> bool:
            context.heartbeat.beat()
            return stop.wait(seconds)

        if wait_for_broker(settings.client_config(), wait=wait):
            TradeToOhlc(settings, context, stop=stop).run()


if __name__ == "__main__":
    run_service(SERVICE, main)
