"""The records of the `trades` topic: JSON, one record a batch of trades of one product.

    {"product_id": "BTC/USD", "trade_id": [..], "timestamp_ms": [..], "price": [..],
     "quantity": [..], "side": "bsb..", "last_trade_id": n, "last_timestamp_ms": n,
     "watermark_ms": n, "end_of_stream": false}

A record without trades is a tick: it moves the watermark of a quiet product and repeats the cursor.
The first record of a stream also says where the stream starts (`stream_start_ms`) and the price
before it (`previous_close`), so that its first candles are right even when they are empty.
"""

import struct
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import orjson

from candlecast.errors import InvalidMessageError
from candlecast.market.trade_batch import BoolColumn, Float64Column, Int64Column, TradeBatch
from candlecast.messaging.course_trade import is_course_trade, parse_course_trade
from candlecast.messaging.wire import (
    DECODING_ERRORS,
    CursorMs,
    Price,
    ProductId,
    Quantity,
    TimestampMs,
    TradeId,
    explain,
    parse_object,
    quote,
)

_BUY, _SELL = ord("b"), ord("s")


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
    if value is None:
        raise InvalidMessageError("the record has no value")
    try:
        wire = _decoder.decode(value)
    except DECODING_ERRORS as error:
        fields = parse_object(value)
        if is_course_trade(fields):
            return _record_of_course_trade(fields)
        raise InvalidMessageError(explain(error, fields)) from error
    return _to_record(wire)


class _Wire(msgspec.Struct, frozen=True, gc=False):
    product_id: ProductId
    trade_id: list[TradeId]
    timestamp_ms: list[TimestampMs]
    price: list[Price]
    quantity: list[Quantity]
    side: str
    last_trade_id: TradeId
    last_timestamp_ms: CursorMs
    watermark_ms: CursorMs
    end_of_stream: bool = False
    stream_start_ms: CursorMs | None = None
    previous_close: Price | None = None


_decoder = msgspec.json.Decoder(_Wire)


def _record_of_course_trade(fields: dict[str, Any]) -> TradesRecord:
    batch, watermark_ms = parse_course_trade(fields)
    return TradesRecord(
        batch=batch,
        last_trade_id=int(batch.trade_id[-1]),
        last_timestamp_ms=int(batch.timestamp_ms[-1]),
        watermark_ms=watermark_ms,
    )


def _to_record(wire: _Wire) -> TradesRecord:
    _require_equal_lengths(wire)
    start = None
    if wire.stream_start_ms is not None:
        start = StreamStart(timestamp_ms=wire.stream_start_ms, previous_close=wire.previous_close)
    return TradesRecord(
        batch=TradeBatch(
            product_id=wire.product_id,
            trade_id=_integer_column(wire.trade_id),
            timestamp_ms=_integer_column(wire.timestamp_ms),
            price=_number_column(wire.price),
            quantity=_number_column(wire.quantity),
            is_buy=_side_column(wire.side),
        ),
        last_trade_id=wire.last_trade_id,
        last_timestamp_ms=wire.last_timestamp_ms,
        watermark_ms=wire.watermark_ms,
        end_of_stream=wire.end_of_stream,
        start=start,
    )


def _require_equal_lengths(wire: _Wire) -> None:
    lengths = {
        "trade_id": len(wire.trade_id),
        "timestamp_ms": len(wire.timestamp_ms),
        "price": len(wire.price),
        "quantity": len(wire.quantity),
        "side": len(wire.side),
    }
    if len(set(lengths.values())) > 1:
        raise InvalidMessageError(f"the columns differ in length: {lengths}")


def _integer_column(values: list[int]) -> Int64Column:
    # Packing takes a third of the time of `numpy.array`, which looks at each value's type first.
    return np.frombuffer(struct.pack(f"{len(values)}q", *values), dtype=np.int64)


def _number_column(values: list[float]) -> Float64Column:
    return np.frombuffer(struct.pack(f"{len(values)}d", *values), dtype=np.float64)


def _side_column(side: str) -> BoolColumn:
    codes = np.frombuffer(side.encode(), dtype=np.uint8)
    is_buy: BoolColumn = codes == _BUY
    is_wrong = ~is_buy & (codes != _SELL)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise InvalidMessageError(f"side[{row}] is {quote(side[row])}, not b or s")
    return is_buy
