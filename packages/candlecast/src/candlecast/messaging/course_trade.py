"""One scalar trade, as the producers of the public courses write it.

They name things differently from cohort to cohort (product_id, pair or symbol; quantity, volume or
qty; timestamp_ms or an ISO timestamp). All of them can feed the candle service as they are; the
trade's own timestamp then serves as the watermark.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from candlecast.errors import InvalidMessageError
from candlecast.market.trade_batch import TradeBatch

_PRODUCT_NAMES = ("product_id", "pair", "symbol")
_QUANTITY_NAMES = ("quantity", "volume", "qty")
_TIME_NAMES = ("timestamp_ms", "timestamp", "timestamp_sec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIDES = {"buy": True, "b": True, "sell": False, "s": False}


def is_course_trade(fields: dict[str, Any]) -> bool:
    """Whether the object is one scalar trade rather than a batch in columns."""
    return "price" in fields and not isinstance(fields["price"], list)


def parse_course_trade(fields: dict[str, Any]) -> tuple[TradeBatch, int]:
    """Return the trade as a batch of one, and the watermark it allows.

    Raises:
        InvalidMessageError: names the field and what is wrong with it.
    """
    _, product_id = _first_of(fields, _PRODUCT_NAMES)
    if not isinstance(product_id, str) or product_id == "":
        raise InvalidMessageError(f"product_id is {product_id!r}, not a product's name")
    timestamp_ms = _timestamp_ms(*_first_of(fields, _TIME_NAMES))
    trade_id = fields.get("trade_id", 0)
    if not isinstance(trade_id, int) or trade_id < 0:
        raise InvalidMessageError(f"trade_id is {trade_id!r}, not a whole number from 0")
    side = fields.get("side", "sell")
    if side not in _SIDES:
        raise InvalidMessageError(f"side is {side!r}, not buy or sell")
    batch = TradeBatch.from_columns(
        product_id,
        trade_id=(trade_id,),
        timestamp_ms=(timestamp_ms,),
        price=(_positive("price", fields["price"]),),
        quantity=(_positive(*_first_of(fields, _QUANTITY_NAMES)),),
        is_buy=(_SIDES[side],),
    )
    watermark_ms = fields.get("watermark_ms", timestamp_ms)
    if not isinstance(watermark_ms, int):
        raise InvalidMessageError(f"watermark_ms is {watermark_ms!r}, not a whole number")
    return batch, watermark_ms


def _first_of(fields: dict[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    for name in names:
        if name in fields:
            return name, fields[name]
    raise InvalidMessageError(f"none of {', '.join(names)} is given")


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidMessageError(f"{name} is {value!r}, not a number") from error
    if not 0 < number < float("inf"):
        raise InvalidMessageError(f"{name} is {value!r}, not a number above 0")
    return number


def _timestamp_ms(name: str, value: Any) -> int:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidMessageError(f"{name} is {value!r}, not an ISO 8601 time") from error
        # A time without a zone is UTC: local time would shift every candle.
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        timestamp_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    elif isinstance(value, int) and not isinstance(value, bool):
        timestamp_ms = value * 1000 if name == "timestamp_sec" else value
    else:
        raise InvalidMessageError(f"{name} is {value!r}, not a time")
    if timestamp_ms <= 0:
        raise InvalidMessageError(f"{name} is {value!r}, not a time after 1970")
    return timestamp_ms
