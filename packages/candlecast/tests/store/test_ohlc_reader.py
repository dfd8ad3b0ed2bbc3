import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.time_grid import DAY_MS, MINUTE_MS
from candlecast.store.feature_store import FeatureStore
from candlecast.store.ohlc_reader import OhlcDataReader, View
from candlecast.testing.in_memory_feature_store import InMemoryFeatureStore
from candlecast.testing.stored_candles import BTC, ETH, GROUP, make_candle, make_rows, minutes_of


@pytest.fixture
def store() -> FeatureStore:
    """Minutes 0 to 2999 in the history, 2990 to 3004 online, of which 3000 on are pending."""
    store = InMemoryFeatureStore()
    store.write_offline(GROUP, make_rows(0, 2990))
    store.write_online(GROUP, make_rows(2990, 10))
    store.materialize(GROUP)
    store.write_online(GROUP, make_rows(3000, 5))
    return store


@pytest.mark.parametrize(
    ("view", "first_minute", "last_minute"),
    [("all", 2980, 3004), ("offline", 2980, 2999), ("online", 2990, 3004)],
)
def test_a_range_is_read_from_the_view_asked_for(
    store: FeatureStore, view: View, first_minute: int, last_minute: int
) -> None:
    start_ms, end_ms = 2981 * MINUTE_MS, 4000 * MINUTE_MS
    data = OhlcDataReader(store, GROUP).read_range(BTC, start_ms, end_ms, view=view)
    assert minutes_of(data.rows) == list(range(first_minute, last_minute + 1))


def test_the_last_minutes_end_with_the_newest_candle(store: FeatureStore) -> None:
    data = OhlcDataReader(store, GROUP).read_last(BTC, minutes=7)
    assert minutes_of(data.rows) == list(range(2998, 3005))


def test_the_last_days_and_minutes_add_up(store: FeatureStore) -> None:
    data = OhlcDataReader(store, GROUP).read_last(BTC, days=2, minutes=3)
    assert len(data) == 2 * 1440 + 3


def test_the_last_minutes_before_a_moment_hold_what_was_known_then(store: FeatureStore) -> None:
    reader = OhlcDataReader(store, GROUP)
    known_at_the_end_of_minute_9 = reader.read_last(BTC, minutes=3, end_ms=10 * MINUTE_MS)
    assert minutes_of(known_at_the_end_of_minute_9.rows) == [7, 8, 9]
    just_before = reader.read_last(BTC, minutes=3, end_ms=10 * MINUTE_MS - 1)
    assert minutes_of(just_before.rows) == [6, 7, 8]


def test_asking_for_no_time_at_all_is_refused(store: FeatureStore) -> None:
    with pytest.raises(ConfigurationError, match="at least one minute"):
        OhlcDataReader(store, GROUP).read_last(BTC)


def test_an_unknown_product_is_refused_with_those_there_are(store: FeatureStore) -> None:
    store.write_offline(GROUP, make_rows(0, product_id=ETH))
    reader = OhlcDataReader(store, GROUP)
    message = "no candles of 'DOGE/USD'; it has BTC/USD, ETH/USD"
    with pytest.raises(ConfigurationError, match=message):
        reader.read_range("DOGE/USD", 0, DAY_MS)
    with pytest.raises(ConfigurationError, match=message):
        reader.read_last("DOGE/USD", days=1)


def test_an_empty_store_says_that_it_is_empty() -> None:
    with pytest.raises(ConfigurationError, match="ohlc_feature_group_1 is empty"):
        OhlcDataReader(InMemoryFeatureStore(), GROUP).read_last(BTC, days=1)


def test_a_range_without_candles_of_a_known_product_is_just_empty(store: FeatureStore) -> None:
    data = OhlcDataReader(store, GROUP).read_range(BTC, 10 * DAY_MS, 11 * DAY_MS)
    assert len(data) == 0
    assert data.as_pandas().empty
    assert data.as_polars().is_empty()


def test_candles_come_out_as_pandas_polars_and_candles(store: FeatureStore) -> None:
    data = OhlcDataReader(store, GROUP).read_last(BTC, minutes=3)
    candles = [make_candle(minute) for minute in (3002, 3003, 3004)]
    records = [{name: getattr(c, name) for name in c.__struct_fields__} for c in candles]
    assert data.as_candles() == candles
    assert data.as_pandas().to_dict("records") == records
    assert data.as_polars().to_dicts() == records


def test_data_frames_have_the_columns_types(store: FeatureStore) -> None:
    reader = OhlcDataReader(store, GROUP)
    for data in (reader.read_last(BTC, minutes=3), reader.read_range(BTC, 0, 1)):
        expected = {column.name: str(column.type) for column in GROUP.columns}
        polars_types = {name: str(t).lower() for name, t in data.as_polars().schema.items()}
        assert polars_types == expected
        pandas_types = data.as_pandas().dtypes.astype(str).to_dict()
        assert {name for name, kind in pandas_types.items() if kind == "int64"} == {
            name for name, kind in expected.items() if kind == "int64"
        }
