"""What the exchange lists: one AssetPairs entry a product, and the four names it goes by.

The table is written out because Kraken's names follow no rule one could compute (XXBTZUSD, but
XBTUSDT; XXDG, but XDGUSD).
"""

from dataclasses import dataclass, replace

from candlecast.errors import ConfigurationError

_WEBSOCKET_V1_ASSETS = {"BTC": "XBT", "DOGE": "XDG"}

# REST shows at least this many decimals of a price, whatever the pair's own precision is.
_REST_PRICE_DECIMALS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A pair as the exchange lists it.

    Attributes:
        product_id: the name on WebSocket v2 and in this project, "BTC/USD".
        rest_key: REST's internal name, "XXBTZUSD".
        alternative_name: "XBTUSD".
        websocket_v1_name: "XBT/USD".
        base, quote: the asset names, "XXBT" and "ZUSD".
        price_decimals: decimals of a price; one tick is the last of them.
        order_minimum: the smallest order, as text.
    """

    product_id: str
    rest_key: str
    alternative_name: str
    websocket_v1_name: str
    base: str
    quote: str
    price_decimals: int
    order_minimum: str = "1"

    @property
    def rest_price_decimals(self) -> int:
        """Decimals of a price in a REST trade row."""
        return max(_REST_PRICE_DECIMALS, self.price_decimals)

    @property
    def names(self) -> frozenset[str]:
        """Every name REST understands for this pair."""
        return frozenset((self.rest_key, self.alternative_name, self.websocket_v1_name))

    def asset_pair(self) -> dict[str, object]:
        """Return the AssetPairs entry."""
        return {
            "altname": self.alternative_name,
            "wsname": self.websocket_v1_name,
            "aclass_base": "currency",
            "base": self.base,
            "aclass_quote": "currency",
            "quote": self.quote,
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": self.price_decimals,
            "lot_decimals": 8,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": [[0, 0.4], [10000, 0.35]],
            "fees_maker": [[0, 0.25], [10000, 0.2]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": self.order_minimum,
            "costmin": "0.5",
            "tick_size": f"{10**-self.price_decimals:.{self.price_decimals}f}",
            "status": "online",
        }


def dark_pool_asset_pair(listing: Listing) -> dict[str, object]:
    """Return the entry of a pair's dark pool: like the pair's, without a wsname."""
    entry = listing.asset_pair()
    del entry["wsname"]
    return {**entry, "altname": f"{listing.alternative_name}.d"}


_KNOWN = {
    listing.product_id: listing
    for listing in (
        Listing(
            product_id="BTC/USD",
            rest_key="XXBTZUSD",
            alternative_name="XBTUSD",
            websocket_v1_name="XBT/USD",
            base="XXBT",
            quote="ZUSD",
            price_decimals=1,
            order_minimum="0.00005",
        ),
        Listing(
            product_id="ETH/USD",
            rest_key="XETHZUSD",
            alternative_name="ETHUSD",
            websocket_v1_name="ETH/USD",
            base="XETH",
            quote="ZUSD",
            price_decimals=2,
            order_minimum="0.002",
        ),
        Listing(
            product_id="SOL/USD",
            rest_key="SOLUSD",
            alternative_name="SOLUSD",
            websocket_v1_name="SOL/USD",
            base="SOL",
            quote="ZUSD",
            price_decimals=2,
            order_minimum="0.02",
        ),
        Listing(
            product_id="DOGE/USD",
            rest_key="XDGUSD",
            alternative_name="XDGUSD",
            websocket_v1_name="XDG/USD",
            base="XXDG",
            quote="ZUSD",
            price_decimals=7,
            order_minimum="13",
        ),
        Listing(
            product_id="QNT/USD",
            rest_key="QNTUSD",
            alternative_name="QNTUSD",
            websocket_v1_name="QNT/USD",
            base="QNT",
            quote="ZUSD",
            price_decimals=2,
            order_minimum="0.05",
        ),
        Listing(
            product_id="BTC/USDT",
            rest_key="XBTUSDT",
            alternative_name="XBTUSDT",
            websocket_v1_name="XBT/USDT",
            base="XXBT",
            quote="USDT",
            price_decimals=1,
            order_minimum="0.00005",
        ),
    )
}


def listing_of(product_id: str, *, price_decimals: int | None = None) -> Listing:
    """Return the listing of a product; one that is not in the table gets plain names.

    Args:
        product_id: for instance "BTC/USD".
        price_decimals: the precision its data needs, where that is known.
    """
    listing = _KNOWN.get(product_id) or _plain_listing(product_id)
    if price_decimals is None:
        return listing
    return replace(listing, price_decimals=price_decimals)


def _plain_listing(product_id: str) -> Listing:
    base, slash, quote = product_id.partition("/")
    if not (base and slash and quote):
        raise ConfigurationError(f"{product_id!r} is not a product; write it like BTC/USD")
    old_base = _WEBSOCKET_V1_ASSETS.get(base, base)
    old_quote = _WEBSOCKET_V1_ASSETS.get(quote, quote)
    return Listing(
        product_id=product_id,
        rest_key=old_base + old_quote,
        alternative_name=old_base + old_quote,
        websocket_v1_name=f"{old_base}/{old_quote}",
        base=old_base,
        quote=old_quote,
        price_decimals=5,
    )
