"""Reading candles out of a feature store, as training, dashboards and scripts want them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from candlecast.errors import ConfigurationError
from candlecast.market.candle import Candle
from candlecast.market.time_grid import DAY_MS, MINUTE_MS
from candlecast.store.candle_rows import rows_to_candles
from candlecast.store.feature_group import ColumnType, FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.feature_store import FeatureStore

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

View = Literal["all", "offline", "online"]
"""Which side is read; "all" is the history and what is online but not materialised yet."""


@dataclass(frozen=True, slots=True)
class OhlcData:
    """Candles of one product ordered by time, in the form that is asked for."""

    rows: FeatureRows

    def __len__(self) -> int:
        return len(self.rows)

    def as_candles(self) -> list[Candle]:
        """Return candles."""
        return rows_to_candles(self.rows)

    def as_pandas(self) -> "pd.DataFrame":
        """Return a pandas data frame with one column per field."""
        import pandas as pd

        return pd.DataFrame({column.name: self.rows[column.name] for column in self.rows.columns})

    def as_polars(self) -> "pl.DataFrame":
        """Return a polars data frame with one column per field."""
        import polars as pl

        types = {
            ColumnType.STRING: pl.String(),
            ColumnType.INT64: pl.Int64(),
            ColumnType.FLOAT64: pl.Float64(),
        }
        return pl.DataFrame(
            [
                pl.Series(
                    column.name,
                    self.rows[column.name].tolist()
                    if column.type is ColumnType.STRING
                    else self.rows[column.name],
                    dtype=types[column.type],
                )
                for column in self.rows.columns
            ]
        )


class OhlcDataReader:
    """Reads candles by product and time from one feature group."""

    def __init__(self, store: FeatureStore, group: FeatureGroup) -> None:
        self._store = store
        self._group = group

    def product_ids(self) -> tuple[str, ...]:
        """Return the products that can be read."""
        return self._store.product_ids(self._group)

    def read_range(
        self, product_id: str, start_ms: int, end_ms: int, *, view: View = "all"
    ) -> OhlcData:
        """Return the candles with start_ms <= timestamp_ms < end_ms (timestamp_ms: window end).

        Raises:
            ConfigurationError: the store has no candles of the product at all.
        """
        read = {
            "all": self._store.read_all,
            "offline": self._store.read_offline,
            "online": self._store.read_online,
        }[view]
        rows = read(self._group, product_id, start_ms, end_ms)
        if len(rows) == 0:
            self._require_known(product_id)
        return OhlcData(rows)

    def read_last(
        self,
        product_id: str,
        *,
        days: int = 0,
        minutes: int = 0,
        end_ms: int | None = None,
        view: View = "all",
    ) -> OhlcData:
        """Return the candles of the last days and minutes.

        Args:
            product_id: for instance "BTC/USD".
            days: added to `minutes`.
            minutes: 60 gives the candles of 60 minutes, if none is missing.
            end_ms: the moment to look back from: candles known by then, so timestamp_ms <= end_ms.
                Without it, the product's newest candle on either side of the store.
            view: which side is read.

        Raises:
            ConfigurationError: no time was asked for, or there are no candles of the product.
        """
        span_ms = days * DAY_MS + minutes * MINUTE_MS
        if span_ms <= 0:
            raise ConfigurationError(
                f"last {days} days and {minutes} minutes: give at least one minute"
            )
        newest_ms = self._newest_ms(product_id) if end_ms is None else end_ms
        return self.read_range(product_id, newest_ms - span_ms + 1, newest_ms + 1, view=view)

    def _newest_ms(self, product_id: str) -> int:
        newest_ms = self._store.newest_timestamp_ms(self._group, product_id)
        if newest_ms is None:
            raise self._unknown_product(product_id)
        return newest_ms

    def _require_known(self, product_id: str) -> None:
        if product_id not in self.product_ids():
            raise self._unknown_product(product_id)

    def _unknown_product(self, product_id: str) -> ConfigurationError:
        product_ids = self.product_ids()
        if not product_ids:
            return ConfigurationError(f"feature group {self._group.label} is empty")
        return ConfigurationError(
            f"feature group {self._group.label} has no candles of {product_id!r}; it has"
            f" {', '.join(product_ids)}"
        )
