"""The records of the `ohlc` topic: JSON, one closed candle, or the end of a historical stream."""

from dataclasses import dataclass

import msgspec

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """No more candles of this product will come (historical runs only)."""

    product_id: str


class _EndOfStreamWire(msgspec.Struct, frozen=True):
    product_id: str
    end_of_stream: bool


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
        if b'"end_of_stream":true' in value:
            return EndOfStream(_end_decoder.decode(value).product_id)
        candle = _candle_decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise InvalidMessageError(f"not a candle: {error}") from error
    _check(candle)
    return candle


def _check(candle: Candle) -> None:
    if not 0 < candle.low <= min(candle.open, candle.close):
        raise InvalidMessageError(f"not a candle: low {candle.low} is not the lowest price above 0")
    if not max(candle.open, candle.close) <= candle.high < float("inf"):
        raise InvalidMessageError(f"not a candle: high {candle.high} is not the highest price")
    if not 0 < candle.start_ms < candle.timestamp_ms:
        raise InvalidMessageError(
            f"not a candle: it starts at {candle.start_ms} and ends at {candle.timestamp_ms}"
        )
