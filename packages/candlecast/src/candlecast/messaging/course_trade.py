"""One scalar trade, as the producers of the public courses write it.

They name things differently from cohort to cohort (product_id, pair or symbol; quantity, volume or
qty; timestamp_ms or an ISO timestamp). All of them can feed the candle service as they are; the
trade's own timestamp then serves as the watermark.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from candlecast.errors import InvalidMessageError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.wire import LARGEST_ID, LARGEST_NUMBER, LATEST_MS, quote

_PRODUCT_NAMES = ("product_id", "pair", "symbol")
_QUANTITY_NAMES = ("quantity", "volume", "qty")
_TIME_NAMES = ("timestamp_ms", "timestamp", "timestamp_sec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS = 10**12
"""2001-09-09: what is less is a time in seconds, and candles of it would be nonsense."""
_SIDES = {"buy": True, "b": True, "sell": False, "s": False, None: False}


def is_course_trade(fields: dict[str, Any]) -> bool:
    """Whether the object is one scalar trade rather than a batch in columns."""
    return "price" in fields and not isinstance(fields["price"], list)


def parse_course_trade(fields: dict[str, Any]) -> tuple[TradeBatch, int]:
    """Return the trade as a batch of one, and the watermark it allows.

    Raises:
        InvalidMessageError: names the field and what is wrong with it.
    """
    name, product_id = _first_of(fields, _PRODUCT_NAMES)
    if not isinstance(product_id, str) or product_id == "":
        raise InvalidMessageError(f"{name} is {quote(product_id)}, not a product's name")
    timestamp_ms = _timestamp_ms(*_first_of(fields, _TIME_NAMES))
    batch = TradeBatch.from_columns(
        product_id,
        trade_id=(_integer(fields, "trade_id", absent=0, largest=LARGEST_ID),),
        timestamp_ms=(timestamp_ms,),
        price=(_positive("price", fields["price"]),),
        quantity=(_positive(*_first_of(fields, _QUANTITY_NAMES)),),
        is_buy=(_is_buy(fields.get("side")),),
    )
    return batch, _integer(fields, "watermark_ms", absent=timestamp_ms, largest=LATEST_MS)


def _first_of(fields: dict[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    for name in names:
        if fields.get(name) is not None:
            return name, fields[name]
    raise InvalidMessageError(f"none of {', '.join(names)} is given")


def _integer(fields: dict[str, Any], name: str, *, absent: int, largest: int) -> int:
    value = fields.get(name)
    if value is None:
        return absent
    if not _is_integer(value) or not 0 <= value <= largest:
        raise InvalidMessageError(
            f"{name} is {quote(value)}, not a whole number from 0 to {largest}"
        )
    return int(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_buy(side: Any) -> bool:
    if not isinstance(side, str | None) or side not in _SIDES:
        raise InvalidMessageError(f"side is {quote(side)}, not buy or sell")
    return _SIDES[side]


def _positive(name: str, value: Any) -> float:
    """Read a number; one in quotes too, as Kraken's own REST answers have it."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError) as error:
        raise InvalidMessageError(f"{name} is {quote(value)}, not a number") from error
    if not 0 < number < LARGEST_NUMBER:
        raise InvalidMessageError(f"{name} is {quote(value)}, not a number above 0")
    return number


def _timestamp_ms(name: str, value: Any) -> int:
    if isinstance(value, str):
        timestamp_ms = _iso_timestamp_ms(name, value)
    elif _is_integer(value):
        timestamp_ms = value * 1000 if name == "timestamp_sec" else value
    else:
        raise InvalidMessageError(f"{name} is {quote(value)}, not a time")
    if not _EARLIEST_MS <= timestamp_ms <= LATEST_MS:
        raise InvalidMessageError(f"{name} is {quote(value)}, which is not of this age; its unit?")
    return timestamp_ms


def _iso_timestamp_ms(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidMessageError(f"{name} is {quote(text)}, not an ISO 8601 time") from error
    # A time without a zone is UTC: local time would shift every candle.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) // timedelta(milliseconds=1)
