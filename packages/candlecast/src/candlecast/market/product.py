"""What a product is called, and where.

Responsible for: one value per tradable pair with all of Kraken's names for it, and finding it by
any of them. The names come from the exchange's own list (REST AssetPairs); nothing is ever cut
out of "XXBTZUSD". The one rule of ours is the one every client uses: the legs of `wsname` with
XBT -> BTC and XDG -> DOGE are the name on WebSocket v2, and that name is our product id.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from candlecast.errors import ConfigurationError

_MODERN_ASSET_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_DARK_POOL_SUFFIX = ".d"
_SUGGESTIONS = 3


class AssetPairEntry(Protocol):
    """What is read of one entry of AssetPairs."""

    @property
    def altname(self) -> str: ...  # noqa: D102 - Kraken's own field names

    @property
    def wsname(self) -> str | None: ...  # noqa: D102

    @property
    def pair_decimals(self) -> int: ...  # noqa: D102

    @property
    def lot_decimals(self) -> int: ...  # noqa: D102

    @property
    def status(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One tradable pair.

    Attributes:
        product_id: our name and the name on WebSocket v2, for instance "BTC/USD".
        rest_key: the key of REST answers, for instance "XXBTZUSD".
        altname: what REST is asked for, for instance "XBTUSD".
        websocket_v1_name: for instance "XBT/USD".
        price_decimals: decimals of a price.
        quantity_decimals: decimals of a quantity.
        status: "online", or what else the exchange says ("cancel_only", "delisted", ...).
    """

    product_id: str
    rest_key: str
    altname: str
    websocket_v1_name: str
    price_decimals: int
    quantity_decimals: int
    status: str = "online"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name this product is found by."""
        return (
            self.product_id,
            self.product_id.replace("/", "-"),
            self.rest_key,
            self.altname,
            self.websocket_v1_name,
        )


def product_id_from_websocket_v1_name(websocket_v1_name: str) -> str:
    """Return our name ("BTC/USD") for a `wsname` ("XBT/USD")."""
    legs = websocket_v1_name.split("/")
    return "/".join(_MODERN_ASSET_NAMES.get(leg, leg) for leg in legs)


class ProductCatalogue:
    """The products of the exchange, found by any of their names, in any case."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products = tuple(products)
        self._by_name: dict[str, Product] = {}
        self._ambiguous: set[str] = set()
        for product in self._products:
            for name in product.names:
                self._register(name.casefold(), product)

    @classmethod
    def from_asset_pairs(cls, entries: Mapping[str, AssetPairEntry]) -> Self:
        """Build the catalogue from the entries of AssetPairs, without the dark pools (`.d`)."""
        return cls(
            Product(
                product_id=product_id_from_websocket_v1_name(entry.wsname),
                rest_key=rest_key,
                altname=entry.altname,
                websocket_v1_name=entry.wsname,
                price_decimals=entry.pair_decimals,
                quantity_decimals=entry.lot_decimals,
                status=entry.status,
            )
            for rest_key, entry in entries.items()
            if entry.wsname is not None and not rest_key.endswith(_DARK_POOL_SUFFIX)
        )

    def __len__(self) -> int:
        return len(self._products)

    def __iter__(self) -> Iterator[Product]:
        return iter(self._products)

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._by_name

    def product(self, name: str) -> Product:
        """Find a product by any of its names.

        Raises:
            ConfigurationError: if no product, or more than one, is called that.
        """
        key = name.strip().casefold()
        if key in self._ambiguous:
            raise ConfigurationError(f"product {name!r} is the name of more than one product")
        found = self._by_name.get(key)
        if found is None:
            raise ConfigurationError(f"unknown product {name!r}{self._suggestion(key)}")
        return found

    def _register(self, key: str, product: Product) -> None:
        known = self._by_name.setdefault(key, product)
        if known != product:
            # One odd entry of the exchange's list must not make all the others unusable.
            self._ambiguous.add(key)

    def _suggestion(self, key: str) -> str:
        close_names = difflib.get_close_matches(key, self._by_name, n=4 * _SUGGESTIONS, cutoff=0.5)
        # Several names of one product may match: each product is offered once, by its id.
        product_ids = list(dict.fromkeys(self._by_name[name].product_id for name in close_names))
        if not product_ids:
            return f"; the exchange lists {len(self)} products, for instance 'BTC/USD'"
        return "; did you mean " + ", ".join(product_ids[:_SUGGESTIONS]) + "?"
