"""The records of the `trades` topic: JSON, one record a batch of trades of one product.

    {"product_id": "BTC/USD", "trade_id": [..], "timestamp_ms": [..], "price": [..],
     "quantity": [..], "side": "bsb..", "last_trade_id": n, "last_timestamp_ms": n,
     "watermark_ms": n, "end_of_stream": false}

A record without trades is a tick: it moves the watermark of a quiet product and repeats the cursor.
The first record of a stream also says where the stream starts (`stream_start_ms`) and the price
before it (`previous_close`), so that its first candles are right even when they are empty.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from candlecast.errors import InvalidMessageError
from candlecast.market.trade_batch import BoolColumn, Float64Column, Int64Column, TradeBatch
from candlecast.messaging.course_trade import is_course_trade, parse_course_trade

_BUY, _SELL = ord("b"), ord("s")
_LONGEST_QUOTE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """From where on a stream is complete.

    Attributes:
        timestamp_ms: every trade from this moment on is in the stream.
        previous_close: price of the last trade before it; None if there never was one.
    """

    timestamp_ms: int
    previous_close: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesRecord:
    """One record of `trades`.

    Attributes:
        batch: the trades, in the exchange's order; may be empty.
        last_trade_id: id of the last trade published so far (the cursor); 0 before the first.
        last_timestamp_ms: its timestamp; 0 before the first.
        watermark_ms: all trades with an earlier timestamp have been published.
        end_of_stream: nothing more will come for this product (historical runs only).
        start: where the stream starts; on its first record only.
    """

    batch: TradeBatch
    last_trade_id: int
    last_timestamp_ms: int
    watermark_ms: int
    end_of_stream: bool = False
    start: StreamStart | None = None

    @property
    def product_id(self) -> str:
        """The product all trades of the record belong to."""
        return self.batch.product_id


def encode_trades_record(record: TradesRecord) -> bytes:
    """Write a record as JSON."""
    batch = record.batch
    fields: dict[str, Any] = {
        "product_id": batch.product_id,
        "trade_id": np.ascontiguousarray(batch.trade_id),
        "timestamp_ms": np.ascontiguousarray(batch.timestamp_ms),
        "price": np.ascontiguousarray(batch.price),
        "quantity": np.ascontiguousarray(batch.quantity),
        "side": np.where(batch.is_buy, _BUY, _SELL).astype(np.uint8).tobytes().decode("ascii"),
        "last_trade_id": record.last_trade_id,
        "last_timestamp_ms": record.last_timestamp_ms,
        "watermark_ms": record.watermark_ms,
        "end_of_stream": record.end_of_stream,
    }
    if record.start is not None:
        fields["stream_start_ms"] = record.start.timestamp_ms
        fields["previous_close"] = record.start.previous_close
    return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_trades_record(value: bytes | None) -> TradesRecord:
    """Read a record, also one scalar trade as the public courses' producers write it.

    Raises:
        InvalidMessageError: names the field and what is wrong with it.
    """
    fields = _parse_object(value)
    if is_course_trade(fields):
        batch, watermark_ms = parse_course_trade(fields)
        return TradesRecord(
            batch=batch,
            last_trade_id=int(batch.trade_id[-1]),
            last_timestamp_ms=int(batch.timestamp_ms[-1]),
            watermark_ms=watermark_ms,
        )
    end_of_stream = fields.get("end_of_stream", False)
    if not isinstance(end_of_stream, bool):
        raise InvalidMessageError(f"end_of_stream is {_quote(end_of_stream)}, not true or false")
    return TradesRecord(
        batch=_parse_batch(fields),
        last_trade_id=_integer(fields, "last_trade_id"),
        last_timestamp_ms=_integer(fields, "last_timestamp_ms"),
        watermark_ms=_integer(fields, "watermark_ms"),
        end_of_stream=end_of_stream,
        start=_parse_start(fields),
    )


def _parse_object(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise InvalidMessageError("the record has no value")
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidMessageError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidMessageError(f"a JSON object is expected, not {_quote(fields)}")
    return fields


def _parse_batch(fields: dict[str, Any]) -> TradeBatch:
    product_id = fields.get("product_id")
    if not isinstance(product_id, str) or product_id == "":
        raise InvalidMessageError(f"product_id is {_quote(product_id)}, not a product's name")
    batch = TradeBatch(
        product_id=product_id,
        trade_id=_integer_column(fields, "trade_id", minimum=0),
        timestamp_ms=_integer_column(fields, "timestamp_ms", minimum=1),
        price=_number_column(fields, "price"),
        quantity=_number_column(fields, "quantity"),
        is_buy=_side_column(fields),
    )
    lengths = {
        "trade_id": len(batch.trade_id),
        "timestamp_ms": len(batch.timestamp_ms),
        "price": len(batch.price),
        "quantity": len(batch.quantity),
        "side": len(batch.is_buy),
    }
    if len(set(lengths.values())) > 1:
        raise InvalidMessageError(f"the columns differ in length: {lengths}")
    if not (batch.price > 0).all():
        raise InvalidMessageError("price has a value that is not above 0")
    if not (batch.quantity >= 0).all():
        raise InvalidMessageError("quantity has a value below 0")
    return batch


def _column(fields: dict[str, Any], name: str) -> npt.NDArray[Any]:
    values = fields.get(name)
    if not isinstance(values, list):
        raise InvalidMessageError(f"{name} is {_quote(values)}, not a list")
    try:
        column = np.array(values) if values else np.empty(0, np.int64)
    except (ValueError, OverflowError) as error:
        raise InvalidMessageError(f"{name} is not a list of numbers: {error}") from error
    if column.ndim != 1 or column.dtype.kind not in "if":
        raise InvalidMessageError(f"{name} is not a list of numbers: {_quote(values)}")
    return column


def _integer_column(fields: dict[str, Any], name: str, *, minimum: int) -> Int64Column:
    column = _column(fields, name)
    if column.dtype != np.int64:
        raise InvalidMessageError(f"{name} has a value that is not a whole number")
    if len(column) > 0 and int(column.min()) < minimum:
        raise InvalidMessageError(f"{name} has a value below {minimum}: {int(column.min())}")
    return column


def _number_column(fields: dict[str, Any], name: str) -> Float64Column:
    return _column(fields, name).astype(np.float64, copy=False)


def _side_column(fields: dict[str, Any]) -> BoolColumn:
    side = fields.get("side")
    if not isinstance(side, str):
        raise InvalidMessageError(f"side is {_quote(side)}, not a string of b and s")
    codes = np.frombuffer(side.encode(), dtype=np.uint8)
    is_buy: BoolColumn = codes == _BUY
    if not (is_buy | (codes == _SELL)).all():
        raise InvalidMessageError(f"side is {_quote(side)}, not a string of b and s")
    return is_buy


def _parse_start(fields: dict[str, Any]) -> StreamStart | None:
    if "stream_start_ms" not in fields:
        return None
    previous_close = fields.get("previous_close")
    if previous_close is not None and not isinstance(previous_close, (int, float)):
        raise InvalidMessageError(f"previous_close is {_quote(previous_close)}, not a number")
    return StreamStart(
        timestamp_ms=_integer(fields, "stream_start_ms"),
        previous_close=None if previous_close is None else float(previous_close),
    )


def _integer(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidMessageError(f"{name} is {_quote(value)}, not a whole number from 0")
    return value


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
