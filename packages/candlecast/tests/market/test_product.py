from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from candlecast.errors import ConfigurationError
from candlecast.market.product import (
    Product,
    ProductCatalogue,
    product_id_from_websocket_v1_name,
)


@dataclass(frozen=True)
class Entry:
    altname: str
    wsname: str | None
    pair_decimals: int = 1
    lot_decimals: int = 8
    status: str = "online"


ENTRIES: Mapping[str, Entry] = {
    "XXBTZUSD": Entry("XBTUSD", "XBT/USD"),
    "XXBTZUSD.d": Entry("XBTUSD.d", None),
    "XETHXXBT": Entry("ETHXBT", "ETH/XBT"),
    "XDGUSD": Entry("XDGUSD", "XDG/USD", pair_decimals=7),
    "XBTUSDT": Entry("XBTUSDT", "XBT/USDT"),
}
BTC_USD_NAMES = ["BTC/USD", "BTC-USD", "XBTUSD", "XXBTZUSD", "XBT/USD", "btc/usd", " BTC/USD "]


@pytest.mark.parametrize("name", BTC_USD_NAMES)
def test_a_product_is_found_by_any_of_its_names(name: str) -> None:
    product = ProductCatalogue.from_asset_pairs(ENTRIES).product(name)

    assert product == Product(
        product_id="BTC/USD",
        rest_key="XXBTZUSD",
        altname="XBTUSD",
        websocket_v1_name="XBT/USD",
        price_decimals=1,
        quantity_decimals=8,
    )


@pytest.mark.parametrize(
    ("websocket_v1_name", "product_id"),
    [
        ("XBT/USD", "BTC/USD"),
        ("ETH/XBT", "ETH/BTC"),
        ("XDG/XBT", "DOGE/BTC"),
        ("XBTC/USD", "XBTC/USD"),
        ("BTC/USD", "BTC/USD"),
    ],
)
def test_old_asset_names_are_replaced_as_whole_legs_only(
    websocket_v1_name: str, product_id: str
) -> None:
    assert product_id_from_websocket_v1_name(websocket_v1_name) == product_id


def test_dark_pools_are_not_products() -> None:
    catalogue = ProductCatalogue.from_asset_pairs(ENTRIES)

    assert len(catalogue) == len(ENTRIES) - 1
    assert "XBTUSD.d" not in catalogue


def test_an_unknown_name_is_a_configuration_error_with_close_matches() -> None:
    catalogue = ProductCatalogue.from_asset_pairs(ENTRIES)

    with pytest.raises(ConfigurationError, match=r"'BTC/USX'; did you mean BTC/USDT?, BTC/USDT?"):
        catalogue.product("BTC/USX")


def test_a_name_like_no_other_is_still_named_in_the_error() -> None:
    catalogue = ProductCatalogue.from_asset_pairs(ENTRIES)

    with pytest.raises(ConfigurationError, match="unknown product '@@@'; the exchange lists 4"):
        catalogue.product("@@@")


def test_a_name_of_two_products_is_refused_and_leaves_the_others_usable() -> None:
    catalogue = ProductCatalogue.from_asset_pairs(
        {**ENTRIES, "ODD": Entry(altname="XBTUSD", wsname="ODD/USD")}
    )

    with pytest.raises(ConfigurationError, match="more than one product"):
        catalogue.product("XBTUSD")
    assert catalogue.product("BTC/USD").rest_key == "XXBTZUSD"
    assert catalogue.product("ODD/USD").rest_key == "ODD"
