import pytest

from candlecast.errors import ConfigurationError
from candlecast.messaging.consumer_settings import ConsumerSettings
from candlecast.runtime.settings import load_settings


def settings_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ConsumerSettings:
    monkeypatch.setenv("KAFKA_BROKER_ADDRESS", "broker:9092")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(ConsumerSettings)


def test_a_service_reads_live_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch)

    assert not settings.is_historical
    assert settings.product_ids == ()


@pytest.mark.parametrize(
    "variables",
    [
        {"LIVE_OR_HISTORICAL": "historical", "PRODUCT_IDS": '["BTC/USD", "ETH/USD"]'},
        {"DATA_SOURCE": "historical", "PAIRS": "BTC/USD, ETH/USD"},
    ],
)
def test_a_historical_run_names_its_products_also_as_the_courses_call_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    settings = settings_of(monkeypatch, **variables)

    assert settings.is_historical
    assert settings.product_ids == ("BTC/USD", "ETH/USD")


def test_a_historical_run_without_products_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^PRODUCT_IDS is not set; a historical run must"):
        settings_of(monkeypatch, LIVE_OR_HISTORICAL="historical")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVE_OR_HISTORICAL", "test"),
        ("DEAD_LETTER_SHARE", "-0.1"),
        ("DEAD_LETTER_SHARE", "5"),
        ("DEAD_LETTER_SHARE", "nan"),
        ("PRODUCT_IDS", "[1]"),
        ("PRODUCT_IDS", ","),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_of(monkeypatch, **{name: value})

    assert str(refused.value).startswith(f"{name}=")
    assert "\n" not in str(refused.value)
