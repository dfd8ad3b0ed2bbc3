from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import AliasChoices

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import load_settings
from candlecast.testing.readme_contract import readme_gaps
from kafka_to_feature_store.metrics import Metrics
from kafka_to_feature_store.settings import Settings

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKER_ADDRESS", "localhost:9092")


def test_live_batches_are_small_and_historical_ones_large(monkeypatch: pytest.MonkeyPatch) -> None:
    live = load_settings(Settings)
    assert (live.largest_batch, live.longest_wait_seconds) == (500, 0.1)
    monkeypatch.setenv("LIVE_OR_HISTORICAL", "historical")
    monkeypatch.setenv("PRODUCT_IDS", "BTC/USD, ETH/USD")
    historical = load_settings(Settings)
    assert (historical.largest_batch, historical.longest_wait_seconds) == (10_000, 60.0)


def test_the_names_of_the_public_courses_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_TOPIC": "candles",
        "DATA_SOURCE": "historical",
        "PAIRS": '["BTC/USD"]',
        "BUFFER_SIZE": "7",
        "SAVE_EVERY_N_SEC": "8",
        "FEATURE_GROUP_MATERIALIZATION_INTERVAL_SECONDS": "9",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(Settings)
    assert settings.kafka_input_topic == "candles"
    assert settings.product_ids == ("BTC/USD",)
    assert (settings.largest_batch, settings.longest_wait_seconds) == (7, 8.0)
    assert settings.materialize_seconds == 9.0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BATCH_SIZE", "0"),
        ("BATCH_SECONDS", "-1"),
        ("MATERIALIZE_SECONDS", "often"),
        ("KAFKA_INPUT_TOPIC", "no topic"),
        ("KAFKA_CONSUMER_GROUP", "no group"),
        ("DEAD_LETTER_SHARE", "2"),
        ("MARKET_DATA_SOURCE", "binance"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=rf"^{variable}='{value}': .*allowed") as failure:
        load_settings(Settings)
    assert "\n" not in str(failure.value)


def test_a_historical_run_must_know_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_OR_HISTORICAL", "historical")
    with pytest.raises(ConfigurationError, match="PRODUCT_IDS"):
        load_settings(Settings)


def test_the_readme_describes_every_setting_under_all_its_names_and_every_metric() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert readme_gaps(README, settings=Settings, registry=registry) == []
    text = README.read_text()
    aliases = [
        name.upper()
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
        for name in field.validation_alias.choices
        if isinstance(name, str)
    ]
    assert [name for name in aliases if f"`{name}`" not in text] == []
