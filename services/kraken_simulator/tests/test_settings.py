import re
from pathlib import Path

import pytest

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import ServiceSettings, load_settings
from kraken_simulator.bootstrap import build_exchange
from kraken_simulator.faults import Faults
from kraken_simulator.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_PORT", "9999")
    monkeypatch.setenv("SPEED", "60")
    monkeypatch.setenv("PRODUCTS", "BTC/USD, QNT/USD")
    monkeypatch.setenv("FAULTS", '{"rest_lag_ms": 250}')
    monkeypatch.setenv("RECORDED_TRADES", '{"BTC/USDT": "somewhere.json"}')
    settings = load_settings(Settings)
    assert settings.simulator_port == 9999
    assert settings.speed == 60.0
    assert settings.products == ("BTC/USD", "QNT/USD")
    assert settings.faults == Faults(rest_lag_ms=250)
    assert settings.recorded_trades == {"BTC/USDT": Path("somewhere.json")}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SPEED", "0"),
        ("SPEED", "fast"),
        ("SIMULATOR_PORT", "70000"),
        ("REST_CALLS_PER_SECOND", "-1"),
        ("CLOCK_ANCHOR_WALL_MS", "yesterday"),
        ("RECORDED_TRADES", "not json"),
        ("RECORDED_TRADES", "[1]"),
        ("FAULTS", '{"earthquake": 1}'),
        ("FAULTS", "not json"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as failure:
        load_settings(Settings)
    assert str(failure.value).startswith(f"{variable}=")
    assert value in str(failure.value)
    assert "allowed" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_product_that_does_not_exist_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"PRODUCTS=NOPE/USD: unknown; allowed: BTC/USD"):
        build_exchange(Settings(products=("BTC/USD", "NOPE/USD")))


def test_products_choose_among_generated_and_recorded_ones(recorded_page: Path) -> None:
    recordings = {"BTC/USDT": recorded_page}
    everything = build_exchange(Settings(recorded_trades=recordings))
    assert list(everything.markets) == [
        "BTC/USD",
        "ETH/USD",
        "SOL/USD",
        "DOGE/USD",
        "QNT/USD",
        "BTC/USDT",
    ]
    some = build_exchange(Settings(recorded_trades=recordings, products=("BTC/USDT", "SOL/USD")))
    assert list(some.markets) == ["BTC/USDT", "SOL/USD"]


def test_every_setting_and_every_fault_is_in_the_readme() -> None:
    text = README.read_text()
    own = set(Settings.model_fields) - set(ServiceSettings.model_fields)
    missing = [name.upper() for name in own if f"`{name.upper()}`" not in text]
    missing += [name for name in Faults.__struct_fields__ if f"`{name}`" not in text]
    assert missing == []


def test_every_metric_is_in_the_readme() -> None:
    from kraken_simulator.metrics import Metrics

    text = README.read_text()
    names = {metric.name for metric in Metrics().registry.collect()}
    assert [name for name in names if not re.search(rf"`{name}(_total)?`", text)] == []
