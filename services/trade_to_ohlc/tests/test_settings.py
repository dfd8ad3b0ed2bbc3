from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import load_settings
from candlecast.testing.readme_contract import readme_gaps
from candlecast.testing.services import running_service
from trade_to_ohlc.metrics import Metrics
from trade_to_ohlc.settings import Settings

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(autouse=True)
def only_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BROKER_ADDRESS", "broker:9092")


def test_an_address_is_all_that_must_be_given() -> None:
    settings = load_settings(Settings)

    assert (settings.kafka_input_topic, settings.kafka_output_topic) == ("trades", "ohlc")
    assert settings.window_ms == 60_000
    assert settings.market_data_source == "kraken"


@pytest.mark.parametrize("name", ["OHLC_WINDOW_SECONDS", "CANDLE_SECONDS"])
def test_the_length_of_a_candle_has_two_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "300")

    assert load_settings(Settings).window_ms == 300_000


WRONG_SETTINGS = [
    ("KAFKA_INPUT_TOPIC", "not allowed!"),
    ("KAFKA_OUTPUT_TOPIC", "trades/ohlc"),
    ("KAFKA_CONSUMER_GROUP", "a b"),
    ("OHLC_WINDOW_SECONDS", "0"),
    ("OHLC_WINDOW_SECONDS", "7"),
    ("OHLC_WINDOW_SECONDS", "90000"),
    ("OHLC_WINDOW_SECONDS", "a minute"),
    ("MARKET_DATA_SOURCE", "binance"),
    ("COMMIT_INTERVAL_SECONDS", "0"),
    ("COMMIT_INTERVAL_SECONDS", "inf"),
    ("DEAD_LETTER_SHARE", "2"),
    ("METRICS_PORT", "70000"),
    ("LOG_LEVEL", "LOUD"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_SETTINGS)
def test_a_wrong_setting_is_one_line_that_names_it_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings(Settings)
    assert str(refused.value).startswith(f"{name}='{value}': ")
    assert "; allowed: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_reading_what_it_writes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_OUTPUT_TOPIC", "trades")

    with pytest.raises(ConfigurationError, match=r"^KAFKA_OUTPUT_TOPIC=trades is KAFKA_INPUT"):
        load_settings(Settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"OHLC_WINDOW_SECONDS": "7"}, "OHLC_WINDOW_SECONDS='7': does not divide a day"),
        ({"KAFKA_BROKER_ADDRESS": ""}, "KAFKA_BROKER_ADDRESS is not set"),
        ({"LIVE_OR_HISTORICAL": "historical"}, "PRODUCT_IDS is not set; a historical run"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": "/nowhere"},
            "Kafka's client refuses its settings: ",
        ),
    ],
)
def test_the_process_ends_with_exit_code_78_and_that_line(
    tmp_path: Path, settings: dict[str, str], reason: str
) -> None:
    with running_service("trade_to_ohlc", tmp_path, **settings) as service:
        assert service.wait() == 78
        *before, last = service.events
    assert [event["event"] for event in before] in ([], ["started"])
    assert last["event"] == "configuration_error"
    assert last["reason"].startswith(reason)
    assert service.other_lines == []


def test_the_readme_tells_of_every_setting_and_every_metric() -> None:
    registry = CollectorRegistry()
    Metrics(registry)

    assert readme_gaps(README, settings=Settings, registry=registry) == []
