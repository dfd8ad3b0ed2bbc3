"""Kraken's written times as integers: exact, floored, never by way of a float.

REST writes seconds as a JSON number ("1762820035.9822779"), WebSocket v2 RFC 3339 with
microseconds ("2024-05-27T12:33:10.826003Z"). 59.9996 s belongs to this minute, so digits are cut,
never rounded; that is also why msgspec's own datetime (which rounds to microseconds) is not used.
"""

import functools
from datetime import datetime

from candlecast.errors import InvalidMessageError

_NANOSECOND_DIGITS = 9
_MINUTE_PREFIX_LENGTH = len("2024-05-27T12:33:")
_SECONDS_END = len("2024-05-27T12:33:10")
_UTC_SUFFIXES = ("Z", "+00:00")
_LONGEST_SECONDS_TEXT = 64
_LARGEST_SECONDS = 9_223_372_035  # the last whole second whose nanoseconds fit 64 bits


def nanoseconds_from_seconds_text(text: bytes) -> int:
    """Return nanoseconds for seconds as written in JSON, digits after the ninth cut off.

    Raises:
        InvalidMessageError: if the text is not a plain non-negative decimal number.
    """
    whole, _, fraction = text.partition(b".")
    if not whole.isdigit() or len(text) > _LONGEST_SECONDS_TEXT:
        raise InvalidMessageError(f"not a time in seconds: {text[:40]!r}")
    seconds = int(whole)
    if seconds > _LARGEST_SECONDS:
        raise InvalidMessageError(f"a time beyond 64 bits of nanoseconds: {text[:40]!r}")
    if not fraction:
        return seconds * 1_000_000_000
    if not fraction.isdigit():
        raise InvalidMessageError(f"not a time in seconds: {text[:40]!r}")
    digits = fraction[:_NANOSECOND_DIGITS].ljust(_NANOSECOND_DIGITS, b"0")
    return seconds * 1_000_000_000 + int(digits)


def milliseconds_from_rfc3339(text: str) -> int:
    """Return floored UTC milliseconds for an RFC 3339 time in UTC.

    Raises:
        InvalidMessageError: if the text is anything else.
    """
    seconds, suffix = text[_MINUTE_PREFIX_LENGTH:_SECONDS_END], text[_SECONDS_END:]
    if not (text.isascii() and len(seconds) == len("10") and seconds.isdigit()):
        raise InvalidMessageError(f"not an RFC 3339 time: {text[:40]!r}")
    # 60 is a leap second; it counts as the first second of the next minute, as UNIX time does.
    if int(seconds) > len(range(60)):
        raise InvalidMessageError(f"not an RFC 3339 time: {text[:40]!r}")
    minute_ms = _minute_ms(text[:_MINUTE_PREFIX_LENGTH])
    return minute_ms + int(seconds) * 1_000 + _fraction_ms(suffix, text)


def _fraction_ms(suffix: str, text: str) -> int:
    zone = "Z" if suffix.endswith("Z") else suffix[-len("+00:00") :]
    fraction = suffix[: len(suffix) - len(zone)]
    if zone not in _UTC_SUFFIXES:
        raise InvalidMessageError(f"not a time in UTC: {text[:40]!r}")
    if not fraction:
        return 0
    if fraction[0] != "." or not fraction[1:].isdigit():
        raise InvalidMessageError(f"not an RFC 3339 time: {text[:40]!r}")
    return int(fraction[1:4].ljust(3, "0"))


@functools.lru_cache(maxsize=256)
def _minute_ms(prefix: str) -> int:
    """Return the start of a minute written as "2024-05-27T12:33:"; trades share few minutes."""
    try:
        # Appending a fixed end makes sure that nothing but the minute comes from the prefix.
        minute = datetime.strptime(prefix + "00+0000", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise InvalidMessageError(f"not an RFC 3339 time: {prefix!r}") from error
    return int(minute.timestamp()) * 1_000
