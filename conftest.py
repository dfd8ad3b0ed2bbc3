"""What every test of the workspace gets: fixtures shipped with the library, a clean environment."""

import os

import pytest

pytest_plugins = ["candlecast.testing.broker"]

# Settings are read from the environment: a developer's own must not decide about a test.
_SETTINGS_PREFIXES = ("KAFKA_", "FEATURE_", "HOPSWORKS_", "KRAKEN_", "OHLC_")
_SETTINGS = ("PRODUCT_IDS", "LIVE_OR_HISTORICAL", "LAST_N_DAYS", "CACHE_DIR", "METRICS_PORT")
_MORE_SETTINGS = ("MONITORING_HOST", "LOG_LEVEL", "SECRETS_DIR")


@pytest.fixture(autouse=True)
def environment_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what would set a service's settings."""
    for name in list(os.environ):
        if name.startswith(_SETTINGS_PREFIXES) or name in (*_SETTINGS, *_MORE_SETTINGS):
            monkeypatch.delenv(name)
