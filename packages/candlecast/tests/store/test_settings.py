from pathlib import Path

import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.time_grid import DAY_MS
from candlecast.runtime.settings import ServiceSettings, load_settings
from candlecast.store.feature_store import FeatureStore
from candlecast.store.settings import (
    FeatureStoreSettings,
    configured_ohlc_feature_group,
    open_feature_store,
)
from candlecast.testing.stored_candles import BTC, FOREVER, make_rows, minutes_of


class ServiceWithStore(ServiceSettings, FeatureStoreSettings):
    pass


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env file, and a relative directory of its own


def test_the_defaults_are_a_local_store_of_kraken_data() -> None:
    settings = load_settings(FeatureStoreSettings)
    assert (settings.feature_store, settings.market_data_source) == ("local", "kraken")
    assert configured_ohlc_feature_group(settings).label == "ohlc_feature_group_1"


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "FEATURE_STORE_DIR": str(tmp_path / "elsewhere"),
        "FEATURE_GROUP_NAME": "my_candles",
        "FEATURE_GROUP_VERSION": "3",
        "MARKET_DATA_SOURCE": "simulator",
        "ONLINE_RETENTION_DAYS": "2",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(ServiceWithStore)
    group = configured_ohlc_feature_group(settings)
    assert group.label == "my_candles_3"
    with open_feature_store(settings) as store:
        store.write_online(group, make_rows(0))
        store.write_online(group, make_rows(3 * DAY_MS // 60_000))
        store.materialize(group)
        assert minutes_of(store.read_online(group, BTC, *FOREVER)) == [4320]
    assert (tmp_path / "elsewhere" / "feature_store.json").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FEATURE_STORE", "feast"),
        ("FEATURE_GROUP_NAME", "Candles!"),
        ("FEATURE_GROUP_VERSION", "0"),
        ("MARKET_DATA_SOURCE", "binance"),
        ("ONLINE_RETENTION_DAYS", "0"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable}='{value}'"):
        load_settings(FeatureStoreSettings)


def test_hopsworks_is_refused_with_a_clear_line() -> None:
    settings = load_settings(FeatureStoreSettings, feature_store="hopsworks")
    with pytest.raises(ConfigurationError, match="FEATURE_STORE=hopsworks: is not available"):
        open_feature_store(settings)


def open_for(source: str) -> FeatureStore:
    return open_feature_store(load_settings(FeatureStoreSettings, market_data_source=source))


def test_real_and_simulated_data_cannot_share_a_directory() -> None:
    open_for("simulator").close()
    with pytest.raises(ConfigurationError, match="MARKET_DATA_SOURCE=simulator and is opened for"):
        open_for("kraken")
