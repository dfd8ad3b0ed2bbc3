"""The records of the `ohlc` topic: JSON, one closed candle, or the end of a historical stream."""

from dataclasses import dataclass

import msgspec

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.messaging.wire import (
    DECODING_ERRORS,
    LARGEST_ID,
    LARGEST_NUMBER,
    LATEST_MS,
    ProductId,
    explain,
    parse_object,
)


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """No more candles of this product will come (historical runs only)."""

    product_id: str


class _EndOfStreamWire(msgspec.Struct, frozen=True):
    product_id: ProductId
    end_of_stream: bool = False


_encoder = msgspec.json.Encoder()
_candle_decoder = msgspec.json.Decoder(Candle)
_end_decoder = msgspec.json.Decoder(_EndOfStreamWire)


def encode_candle_record(record: Candle | EndOfStream) -> bytes:
    """Write a candle, or the end of a stream, as JSON."""
    if isinstance(record, EndOfStream):
        return _encoder.encode(_EndOfStreamWire(record.product_id, end_of_stream=True))
    return _encoder.encode(record)


def decode_candle_record(value: bytes | None) -> Candle | EndOfStream:
    """Read a record of `ohlc`.

    Raises:
        InvalidMessageError: names the field and what is wrong with it.
    """
    if value is None:
        raise InvalidMessageError("the record has no value")
    try:
        if b"end_of_stream" in value and (end := _end_decoder.decode(value)).end_of_stream:
            return EndOfStream(end.product_id)
        candle = _candle_decoder.decode(value)
    except DECODING_ERRORS as error:
        raise InvalidMessageError(f"not a candle: {explain(error, parse_object(value))}") from error
    _require_plausible(candle)
    return candle


def _require_plausible(candle: Candle) -> None:
    if candle.product_id == "":
        raise InvalidMessageError("not a candle: product_id is empty")
    if not 0 < candle.low <= min(candle.open, candle.close):
        raise InvalidMessageError(f"not a candle: low {candle.low} is not the lowest price above 0")
    if not max(candle.open, candle.close) <= candle.high < LARGEST_NUMBER:
        raise InvalidMessageError(f"not a candle: high {candle.high} is not the highest price")
    if not 0 < candle.start_ms < candle.timestamp_ms <= LATEST_MS:
        raise InvalidMessageError(
            f"not a candle: it starts at {candle.start_ms} and ends at {candle.timestamp_ms}"
        )
    for name in ("volume", "vwap", "buy_volume"):
        _require_between(candle, name, LARGEST_NUMBER**2)
    for name in ("trade_count", "first_trade_id", "last_trade_id"):
        _require_between(candle, name, LARGEST_ID)


def _require_between(candle: Candle, name: str, largest: float) -> None:
    if not 0 <= getattr(candle, name) <= largest:
        raise InvalidMessageError(f"not a candle: {name} is {getattr(candle, name)}")
