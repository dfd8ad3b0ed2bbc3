"""Entry point: `python -m kafka_to_feature_store`."""

from candlecast.messaging.topics import wait_for_broker
from candlecast.runtime.process import StopSignal, run_service
from candlecast.runtime.service import monitored_service
from candlecast.runtime.settings import load_settings
from candlecast.store.settings import open_feature_store
from kafka_to_feature_store.service import KafkaToFeatureStore
from kafka_to_feature_store.settings import Settings

SERVICE = "kafka_to_feature_store"


def main() -> None:
    """Run the service until it is told to stop, or a historical run is complete."""
    settings = load_settings(Settings)
    stop = StopSignal()
    stop.install()
    with monitored_service(SERVICE, settings) as context, open_feature_store(settings) as store:

        def wait(seconds: float) -> bool:
            context.heartbeat.beat()
            return stop.wait(seconds)

        if wait_for_broker(settings.client_config(), wait=wait):
            KafkaToFeatureStore(settings, store=store, context=context, stop=stop).run()


if __name__ == "__main__":
    run_service(SERVICE, main)
