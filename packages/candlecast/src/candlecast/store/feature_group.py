"""What a feature group is: a named, versioned table whose columns have fixed types.

It says nothing about where the rows are kept; that is the adapter's business.
"""

from dataclasses import dataclass
from enum import StrEnum

from candlecast.errors import ConfigurationError

PRODUCT_ID = "product_id"
TIMESTAMP_MS = "timestamp_ms"
PRIMARY_KEY = (PRODUCT_ID, TIMESTAMP_MS)
EVENT_TIME = TIMESTAMP_MS


class ColumnType(StrEnum):
    """The types a column can have; no others, so that every store can hold them unchanged."""

    STRING = "string"
    INT64 = "int64"
    FLOAT64 = "float64"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; never null, and a float is always finite."""

    name: str
    type: ColumnType


Columns = tuple[Column, ...]

OHLC_COLUMNS: Columns = (
    Column(PRODUCT_ID, ColumnType.STRING),
    Column(TIMESTAMP_MS, ColumnType.INT64),
    Column("start_ms", ColumnType.INT64),
    Column("open", ColumnType.FLOAT64),
    Column("high", ColumnType.FLOAT64),
    Column("low", ColumnType.FLOAT64),
    Column("close", ColumnType.FLOAT64),
    Column("volume", ColumnType.FLOAT64),
    Column("vwap", ColumnType.FLOAT64),
    Column("trade_count", ColumnType.INT64),
    Column("buy_volume", ColumnType.FLOAT64),
    Column("first_trade_id", ColumnType.INT64),
    Column("last_trade_id", ColumnType.INT64),
)
"""The fields of `candlecast.market.candle.Candle`, in its order (a test compares the two)."""


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """A table of features with primary key (product_id, timestamp_ms).

    Attributes:
        name: lower case letters, digits and underscores, as Hopsworks asks.
        version: counts up when the columns change; versions are different tables.
        columns: must contain the primary key.
    """

    name: str
    version: int
    columns: Columns

    def __post_init__(self) -> None:
        """Refuse what no store could hold."""
        plain = self.name.replace("_", "a")
        if not (plain.isascii() and plain.isalnum() and plain == plain.lower()):
            raise ConfigurationError(
                f"feature group name {self.name!r}: only a-z, 0-9 and _ are allowed"
            )
        if self.version < 1:
            raise ConfigurationError(f"feature group version {self.version}: must be 1 or more")
        key_columns = (
            Column(PRODUCT_ID, ColumnType.STRING),
            Column(TIMESTAMP_MS, ColumnType.INT64),
        )
        if not set(key_columns) <= set(self.columns):
            raise ConfigurationError(
                f"feature group {self.name} lacks its key columns {PRIMARY_KEY}"
            )

    @property
    def label(self) -> str:
        """Name and version in one word, as used for directories and log lines."""
        return f"{self.name}_{self.version}"


def ohlc_feature_group(name: str = "ohlc_feature_group", version: int = 1) -> FeatureGroup:
    """Build the feature group of candles."""
    return FeatureGroup(name=name, version=version, columns=OHLC_COLUMNS)
