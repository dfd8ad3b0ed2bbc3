"""Reading JSON strictly, and complaining so that a person finds the place: field and value.

Refuses what cannot be true of any market, because believing it would be worse: a moment after the
year 2286 is one in microseconds, and candles up to it would fill the memory.
"""

import re
from typing import Annotated, Any

import msgspec
import orjson

from candlecast.errors import InvalidMessageError

LATEST_MS = 10**13 - 1
"""2286-11-20: the last moment whose milliseconds have 13 digits."""
LARGEST_ID = 2**63 - 1
LARGEST_NUMBER = 1e100
"""No price or quantity reaches it; the product of two such numbers is still a finite double."""

ProductId = Annotated[str, msgspec.Meta(min_length=1)]
TradeId = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]
"""0 where the exchange gives none."""
TimestampMs = Annotated[int, msgspec.Meta(ge=1, le=LATEST_MS)]
CursorMs = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
"""A moment, or 0 where there is none yet."""
Price = Annotated[float, msgspec.Meta(gt=0, lt=LARGEST_NUMBER)]
Quantity = Annotated[float, msgspec.Meta(ge=0, lt=LARGEST_NUMBER)]

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises on bytes that are not what it reads."""

_LONGEST_QUOTE = 80
_PLACE = re.compile(r" - at `\$\.(?P<name>\w+)(?:\[(?P<row>\d+)\])?`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>\w+)`")


def parse_object(value: bytes) -> dict[str, Any]:
    """Read any JSON object.

    Raises:
        InvalidMessageError: it is not one.
    """
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidMessageError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidMessageError(f"{quote(fields)} is not a JSON object")
    return fields


def explain(error: Exception, fields: dict[str, Any]) -> str:
    """Say what a decoder complains of, with the value it saw."""
    text = str(error)
    if missing := _MISSING.fullmatch(text):
        return f"{missing['name']} is not given"
    place = _PLACE.search(text)
    if place is None:
        return text
    name, row, expectation = place["name"], place["row"], text[: place.start()]
    value: Any = fields.get(name)
    if row is None:
        return f"{name} is {quote(value)}: {expectation}"
    # Of a name that is given twice, the two readers may have seen different columns.
    is_there = isinstance(value, list) and int(row) < len(value)
    return f"{name}[{row}] is {quote(value[int(row)]) if is_there else '?'}: {expectation}"


def quote(value: object) -> str:
    """Return a value as it is written, cut to what a log line or a header can bear."""
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
