"""What may go wrong on purpose, and the dice that decide when it does."""

import random
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from candlecast.errors import ConfigurationError

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0)]
Count = Annotated[int, Meta(ge=0)]

HTTP_SERVER_ERRORS = (500, 502, 503, 504, 520)


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faults in force; every one is off by default.

    Attributes:
        disconnect_every_seconds: a WebSocket is closed when it has been open so long (wall time).
        drop_message_probability: a WebSocket trade message is lost.
        duplicate_message_probability: a WebSocket trade message is sent twice.
        silence_every_seconds: a WebSocket falls silent each time it has talked so long (wall time).
        silence_seconds: how long it then sends nothing at all, pongs and answers included.
        http_429_probability: a REST call is answered with HTTP 429.
        http_5xx_probability: a REST call is answered with HTTP 500, 502, 503, 504 or 520.
        html_probability: a REST call is answered with a web page in HTTP 200.
        rate_limit_probability: a REST call is told "EAPI:Rate limit exceeded" in HTTP 200.
        slow_probability: a REST call is answered late.
        slow_seconds: how late (wall time).
        page_edge_duplicates: so many rows from before `since` are repeated at a page's beginning.
        rest_lag_ms: REST shows trades so much later than WebSocket (server time).
        missing_trade_ids: product to trades that neither REST nor WebSocket ever shows.
    """

    disconnect_every_seconds: Seconds = 0.0
    drop_message_probability: Probability = 0.0
    duplicate_message_probability: Probability = 0.0
    silence_every_seconds: Seconds = 0.0
    silence_seconds: Seconds = 0.0
    http_429_probability: Probability = 0.0
    http_5xx_probability: Probability = 0.0
    html_probability: Probability = 0.0
    rate_limit_probability: Probability = 0.0
    slow_probability: Probability = 0.0
    slow_seconds: Seconds = 0.0
    page_edge_duplicates: Annotated[int, Meta(ge=0, le=500)] = 0
    rest_lag_ms: Count = 0
    missing_trade_ids: dict[str, frozenset[int]] = {}

    def missing_of(self, product_id: str) -> frozenset[int]:
        """Return the trades of a product that are never shown."""
        return self.missing_trade_ids.get(product_id, frozenset())


def parse_faults(text: str | bytes) -> Faults:
    """Read faults from JSON.

    Raises:
        ConfigurationError: one line that says what is wrong.
    """
    return change_faults(Faults(), text)


def change_faults(faults: Faults, text: str | bytes) -> Faults:
    """Return the faults with those fields replaced that a JSON object names.

    Raises:
        ConfigurationError: one line that says what is wrong.
    """
    try:
        changes = msgspec.json.decode(text, type=dict[str, Any])
        return msgspec.convert({**msgspec.to_builtins(faults), **changes}, Faults)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"faults: {error}") from error


class FaultInjector:
    """Holds the faults in force and rolls the dice, from a seed of its own.

    The market's randomness is never touched: the same trades happen with and without faults.
    """

    def __init__(self, faults: Faults, *, seed: int) -> None:
        self.faults = faults
        self._random = random.Random(f"faults {seed}")  # noqa: S311 - not for cryptography

    def strikes(self, probability: float) -> bool:
        """Roll the dice once; costs no randomness when the fault is off."""
        return probability > 0.0 and self._random.random() < probability

    def server_error_status(self) -> int:
        """Choose one of the HTTP errors Kraken's edge is known for."""
        return self._random.choice(HTTP_SERVER_ERRORS)
