"""What the service may be told, and how it complains."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import load_settings
from candlecast.testing.readme_contract import readme_gaps
from trade_producer.metrics import Metrics
from trade_producer.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    given = {"KAFKA_BROKER_ADDRESS": "localhost:9092", "PRODUCT_IDS": "BTC/USD", **variables}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return load_settings(Settings, _env_file=None)


def test_a_broker_and_products_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    told = settings(monkeypatch, PRODUCT_IDS='["BTC/USD", "ETH/USD"]')

    assert told.product_ids == ("BTC/USD", "ETH/USD")
    assert (told.kafka_topic, told.market_data_source) == ("trades", "kraken")
    assert not told.is_historical
    assert (told.watermark_grace_ms, told.completeness_check_ms) == (2_000, 60_000)


def test_names_of_the_public_courses_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_TOPIC_NAME", "PAIRS", "DATA_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    told = settings(
        monkeypatch, KAFKA_TOPIC_NAME="trades_historical", PAIRS="XBT/USD", DATA_SOURCE="historical"
    )

    assert told.kafka_topic == "trades_historical"
    assert told.is_historical


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"KRAKEN_REST_URL": "ftp://api.kraken.com"}, "KRAKEN_REST_URL='ftp://api.kraken.com'"),
        ({"KRAKEN_REST_URL": "https://"}, "KRAKEN_REST_URL='https://'"),
        ({"KRAKEN_REST_URL": "http://a:99999"}, "KRAKEN_REST_URL='http://a:99999'"),
        ({"KRAKEN_WEBSOCKET_URL": "https://ws.kraken.com/v2"}, "begins with ws://, wss://"),
        ({"KRAKEN_REST_CALLS_PER_SECOND": "0"}, "KRAKEN_REST_CALLS_PER_SECOND='0'"),
        ({"KRAKEN_REST_CALLS_PER_SECOND": "inf"}, "KRAKEN_REST_CALLS_PER_SECOND='inf'"),
        ({"WATERMARK_GRACE_SECONDS": "-1"}, "WATERMARK_GRACE_SECONDS='-1'"),
        ({"WATERMARK_GRACE_SECONDS": "nan"}, "WATERMARK_GRACE_SECONDS='nan'"),
        ({"COMPLETENESS_CHECK_SECONDS": "0"}, "COMPLETENESS_CHECK_SECONDS='0'"),
        ({"LIVE_OR_HISTORICAL": "yesterday"}, "LIVE_OR_HISTORICAL='yesterday'"),
        ({"LAST_N_DAYS": "0"}, "LAST_N_DAYS='0'"),
        ({"PRODUCT_IDS": " , "}, "PRODUCT_IDS=' , '"),
        ({"KAFKA_TOPIC": "not a topic"}, "KAFKA_TOPIC='not a topic'"),
        (
            {"HISTORICAL_START_MS": "5", "HISTORICAL_END_MS": "5"},
            "HISTORICAL_START_MS=5 is not before HISTORICAL_END_MS=5",
        ),
        ({"LIVE_OR_HISTORICAL": "historical"}, "KAFKA_TOPIC is not set; a historical run needs"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, **variables)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_historical_run_with_a_topic_of_its_own_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = settings(monkeypatch, LIVE_OR_HISTORICAL="historical", KAFKA_TOPIC="trades_historical_1")

    assert told.is_historical


def test_the_readme_names_every_setting_with_its_default_and_every_metric() -> None:
    registry = CollectorRegistry()
    Metrics(registry)

    assert readme_gaps(README, settings=Settings, registry=registry) == []
