"""Between candles and the rows of the candles' feature group."""

from collections.abc import Sequence

from candlecast.market.candle import Candle
from candlecast.store.feature_group import OHLC_COLUMNS
from candlecast.store.feature_rows import FeatureRows

_FIELDS = tuple(column.name for column in OHLC_COLUMNS)


def candles_to_rows(candles: Sequence[Candle]) -> FeatureRows:
    """Put candles into rows.

    Raises:
        InvalidMessageError: a candle holds a value of a wrong type, or a price that is no number.
    """
    return FeatureRows.from_columns(
        OHLC_COLUMNS, {field: [getattr(candle, field) for candle in candles] for field in _FIELDS}
    )


def rows_to_candles(rows: FeatureRows) -> list[Candle]:
    """Take candles out of rows of the candles' feature group."""
    return [Candle(**dict(zip(_FIELDS, values, strict=True))) for values in rows.to_tuples()]
