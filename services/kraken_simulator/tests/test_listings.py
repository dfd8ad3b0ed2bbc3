import pytest

from candlecast.errors import ConfigurationError
from kraken_simulator.listings import listing_of


@pytest.mark.parametrize(
    ("product_id", "names"),
    [
        ("BTC/USD", {"XXBTZUSD", "XBTUSD", "XBT/USD"}),
        ("ETH/USD", {"XETHZUSD", "ETHUSD", "ETH/USD"}),
        ("DOGE/USD", {"XDGUSD", "XDG/USD"}),
        ("BTC/USDT", {"XBTUSDT", "XBT/USDT"}),
    ],
)
def test_the_names_are_kraken_s(product_id: str, names: set[str]) -> None:
    assert listing_of(product_id).names == names


def test_a_product_that_is_not_in_the_table_gets_plain_names() -> None:
    listing = listing_of("BTC/EUR", price_decimals=2)
    assert listing.rest_key == "XBTEUR"
    assert listing.websocket_v1_name == "XBT/EUR"
    assert listing.asset_pair()["tick_size"] == "0.01"


def test_a_name_without_two_sides_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="write it like BTC/USD"):
        listing_of("BTCUSD")
