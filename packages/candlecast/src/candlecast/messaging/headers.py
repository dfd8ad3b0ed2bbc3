"""Headers of records."""

from collections.abc import Sequence

from candlecast.errors import InvalidMessageError

MARKET_DATA_SOURCE = "market_data_source"
"""Where the trades behind a record come from: simulated and real data are never mixed."""
PRODUCER_ID = "producer_id"
"""Which process published a record: two of them for one product are noticed by it."""
DEAD_LETTER_REASON = "reason"

Headers = Sequence[tuple[str, str | bytes | None]] | None


def header(headers: Headers, name: str) -> str | None:
    """Return the text of a header, or None where it is absent."""
    for key, value in headers or ():
        if key == name and value is not None:
            return value.decode(errors="replace") if isinstance(value, bytes) else value
    return None


def require_market_data_source(headers: Headers, expected: str) -> None:
    """Refuse a record of another market data source; one that does not say is accepted.

    Raises:
        InvalidMessageError: the record is of another source.
    """
    source = header(headers, MARKET_DATA_SOURCE)
    if source is not None and source != expected:
        raise InvalidMessageError(
            f"the record comes from {source}, MARKET_DATA_SOURCE is {expected}"
        )
