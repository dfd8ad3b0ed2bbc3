import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.candle import Candle
from candlecast.store.candle_rows import candles_to_rows, rows_to_candles
from candlecast.store.feature_group import (
    OHLC_COLUMNS,
    PRIMARY_KEY,
    Column,
    ColumnType,
    FeatureGroup,
    ohlc_feature_group,
)
from candlecast.testing.stored_candles import make_candle

TYPES = {str: ColumnType.STRING, int: ColumnType.INT64, float: ColumnType.FLOAT64}


def test_the_candles_group_has_exactly_the_fields_of_a_candle() -> None:
    fields = [Column(name, TYPES[kind]) for name, kind in Candle.__annotations__.items()]
    assert list(OHLC_COLUMNS) == fields


def test_the_candles_group_has_the_names_users_know() -> None:
    group = ohlc_feature_group()
    assert (group.name, group.version, group.label) == (
        "ohlc_feature_group",
        1,
        "ohlc_feature_group_1",
    )
    assert PRIMARY_KEY == ("product_id", "timestamp_ms")


@pytest.mark.parametrize("name", ["", "Ohlc", "ohlc-1", "../ohlc", "öhlc", "ohlc feature"])
def test_a_name_no_store_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="feature group name"):
        FeatureGroup(name, 1, OHLC_COLUMNS)


def test_a_version_below_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="version 0"):
        ohlc_feature_group(version=0)


def test_a_group_without_its_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lacks its key columns"):
        FeatureGroup("ohlc", 1, OHLC_COLUMNS[1:])


def test_candles_survive_the_way_into_rows_and_back() -> None:
    candles = [make_candle(minute) for minute in range(3)]
    assert rows_to_candles(candles_to_rows(candles)) == candles
    assert rows_to_candles(candles_to_rows([])) == []
