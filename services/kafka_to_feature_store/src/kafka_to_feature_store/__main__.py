"""Entry point: `python -m kafka_to_feature_store`."""

from candlecast.runtime.process import EXIT_OK, StopSignal, run_service
from candlecast.runtime.service import monitored_service
from candlecast.runtime.settings import load_settings
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.bootstrap import run
from kafka_to_feature_store.settings import Settings

SERVICE = "kafka_to_feature_store"


def main() -> None:
    """Run the service until it is told to stop, or a historical run is complete."""
    settings = load_settings(Settings)
    stop = StopSignal()
    stop.install()
    calls = BackgroundCalls()
    with monitored_service(SERVICE, settings) as context:
        run(settings, context, stop, calls)
    calls.end_process_if_any_runs(EXIT_OK)


if __name__ == "__main__":
    run_service(SERVICE, main)
