"""The demo tells the services nothing that they do not understand."""

from pathlib import Path

import pytest
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

import kafka_to_feature_store.settings
import kraken_simulator.settings
import trade_producer.settings
import trade_to_ohlc.settings
from candlecast.runtime.settings import load_settings
from candlecast_tools.market_source import SimulatorClock, simulator_service
from candlecast_tools.pipeline import ExchangeAddress, HistoricalRun, Pipeline
from candlecast_tools.supervisor import ProcessSpecification

SETTINGS: dict[str, type[BaseSettings]] = {
    "trade_producer": trade_producer.settings.Settings,
    "trade_to_ohlc": trade_to_ohlc.settings.Settings,
    "kafka_to_feature_store": kafka_to_feature_store.settings.Settings,
    "kraken_simulator": kraken_simulator.settings.Settings,
}
PIPELINE = Pipeline(
    source="simulator",
    directory=Path("data"),
    broker_address="127.0.0.1:9092",
    exchange=ExchangeAddress(
        rest_url="http://127.0.0.1:1", websocket_url="ws://127.0.0.1:1", rest_calls_per_second=1.0
    ),
    topic_prefix="simulated_",
)
RUN = HistoricalRun.new(("BTC/USD", "ETH/USD"), last_n_days=2, topic_prefix="simulated_")
CLOCK = SimulatorClock(wall_ms=1, server_ms=2, speed=3.0)
SPECIFICATIONS = [
    *PIPELINE.live_services(("BTC/USD",), (1, 2, 3)),
    *PIPELINE.historical_services(RUN, (1, 2, 3)),
    simulator_service(CLOCK, port=4, metrics_port=5),
]


def names_understood(settings_class: type[BaseSettings]) -> set[str]:
    names = set()
    for name, field in settings_class.model_fields.items():
        names.add(name.upper())
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(choice).upper() for choice in field.validation_alias.choices}
    return names


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda each: each.module)
def test_every_variable_is_a_setting_of_the_service(specification: ProcessSpecification) -> None:
    understood = names_understood(SETTINGS[specification.module])
    assert set(specification.environment) <= understood


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda each: each.module)
def test_the_service_accepts_the_values(
    specification: ProcessSpecification, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in specification.environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(SETTINGS[specification.module], _env_file=None)
    assert settings.model_dump()["metrics_port"] == specification.metrics_port


def test_simulated_data_never_gets_the_topics_or_folders_of_real_data() -> None:
    for specification in SPECIFICATIONS[:-1]:
        assert specification.environment["MARKET_DATA_SOURCE"] == "simulator"
        for name, value in specification.environment.items():
            if name.startswith("KAFKA_") and name.endswith(("TOPIC", "GROUP")):
                assert value.startswith("simulated_"), (name, value)


def test_two_runs_share_no_topic_and_no_group() -> None:
    other = HistoricalRun.new(("BTC/USD",), last_n_days=2, topic_prefix="simulated_")
    mine = {RUN.trades_topic, RUN.ohlc_topic, RUN.ohlc_group, RUN.store_group}
    assert not mine & {other.trades_topic, other.ohlc_topic, other.ohlc_group, other.store_group}
