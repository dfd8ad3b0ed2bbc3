"""Which feature store a service uses: its settings, and the one factory that opens it."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from candlecast.errors import ConfigurationError
from candlecast.market.time_grid import DAY_MS
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.feature_group import FeatureGroup, ohlc_feature_group
from candlecast.store.feature_store import FeatureStore


class FeatureStoreSettings(BaseSettings):
    """Settings of everything that opens a feature store; a service mixes them into its own."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    feature_store: Literal["local", "hopsworks"] = Field(
        default="local", description="local or hopsworks"
    )
    feature_store_dir: Path = Field(
        default=Path(".data/feature_store"),
        description="directory of the local feature store; one for each MARKET_DATA_SOURCE",
    )
    feature_group_name: str = Field(
        default="ohlc_feature_group",
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=63,
        description="a-z, 0-9 and _, beginning with a letter, at most 63 characters",
    )
    feature_group_version: int = Field(default=1, ge=1, description="1 or more")
    market_data_source: MarketDataSource = Field(
        default="kraken", description="kraken or simulator; a store holds data of one of them"
    )
    online_retention_days: int = Field(
        default=7,
        ge=1,
        description="days of data the online side keeps, counted back from a product's newest row;"
        " 1 or more",
    )


def open_feature_store(settings: FeatureStoreSettings) -> FeatureStore:
    """Open the feature store that the settings name; the caller closes it.

    Raises:
        ConfigurationError: it is not available, or not a store of this market data source.
    """
    if settings.feature_store == "hopsworks":
        raise ConfigurationError(
            "FEATURE_STORE=hopsworks: is not available in this version; allowed: local"
        )
    # imported here: a service on another store needs neither Delta Lake nor SQLite
    from candlecast.store.local import LocalFeatureStore

    return LocalFeatureStore(
        settings.feature_store_dir,
        settings.market_data_source,
        online_retention_ms=settings.online_retention_days * DAY_MS,
    )


def configured_ohlc_feature_group(settings: FeatureStoreSettings) -> FeatureGroup:
    """Build the candles' feature group under the configured name and version."""
    return ohlc_feature_group(settings.feature_group_name, settings.feature_group_version)
