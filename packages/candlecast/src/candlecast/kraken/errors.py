"""What to do about everything that can go wrong with Kraken: a pure classifier.

Kraken answers errors with HTTP status 200 and texts like "EAPI:Rate limit exceeded" (severity,
category, text); Cloudflare in front of it answers with statuses and HTML pages of its own. Here
each becomes one of our errors, which are named by what the caller should do.
Sources: reference "kraken", "Errors and limits".
"""

import ssl
from collections.abc import Sequence

import httpx
import websockets.exceptions

from candlecast.errors import CandlecastError, ConfigurationError, TransientError

RATE_LIMIT_PAUSE_SECONDS = 5.0
LOCKOUT_PAUSE_SECONDS = 60.0

_RATE_LIMITS = {
    "EAPI:Rate limit exceeded": RATE_LIMIT_PAUSE_SECONDS,
    "EGeneral:Too many requests": RATE_LIMIT_PAUSE_SECONDS,
    "EGeneral:Temporary lockout": LOCKOUT_PAUSE_SECONDS,
}
_ASKED_WRONGLY = (
    "EQuery:",
    "EGeneral:Invalid arguments",
    "EGeneral:Unknown method",
    "EGeneral:Permission denied",
    "EAPI:Invalid key",
)
_TRANSIENT_CLIENT_STATUSES = frozenset({408, 425, 429})
_FORBIDDEN = 403
_TOO_MANY_REQUESTS = 429
_FIRST_SERVER_ERROR = 500
_FIRST_NON_SUCCESS = 300


class RateLimitedError(TransientError):
    """The exchange refuses calls for a while, and for longer if one keeps calling."""


def classify_error_texts(texts: Sequence[str]) -> CandlecastError | None:
    """Return the error that the `error` list of an answer stands for; None for mere warnings."""
    errors = [text for text in texts if not text.startswith("W")]
    if not errors:
        return None
    message = "Kraken: " + "; ".join(errors)
    for text in errors:
        for start, pause_seconds in _RATE_LIMITS.items():
            if text.startswith(start):
                return RateLimitedError(message, retry_after_seconds=pause_seconds)
    if any(text.startswith(_ASKED_WRONGLY) for text in errors):
        return ConfigurationError(message)
    # EService, EDatabase, EGeneral:Internal error, the market's states, and what is not known:
    # retrying is bounded and visible, giving up on a passing state would not heal by itself.
    return TransientError(message)


def classify_http_answer(
    status: int, body: bytes, *, retry_after: str | None = None
) -> CandlecastError | None:
    """Return the error an HTTP answer stands for; None if its body is to be read as JSON."""
    what = f"HTTP status {status}"
    if status == _TOO_MANY_REQUESTS:
        pause_seconds = _seconds(retry_after, default=RATE_LIMIT_PAUSE_SECONDS)
        return RateLimitedError(what, retry_after_seconds=pause_seconds)
    if status >= _FIRST_SERVER_ERROR or status in _TRANSIENT_CLIENT_STATUSES:
        return TransientError(what, retry_after_seconds=_seconds(retry_after, default=None))
    if not _starts_like_json(body) and (status < _FIRST_NON_SUCCESS or status == _FORBIDDEN):
        # Cloudflare's "one moment please" pages come with 200 or 403.
        return TransientError(f"{what} with something else than JSON: {body[:60]!r}")
    if status >= _FIRST_NON_SUCCESS:
        return ConfigurationError(f"{what}: the address is not Kraken's API, or it refuses us")
    return None


def classify_exception(error: Exception) -> CandlecastError:
    """Return our error for one raised by httpx, websockets or the operating system."""
    if isinstance(error, CandlecastError):
        return error
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, websockets.exceptions.InvalidStatus):
        return _classify_handshake(error)
    if _is_certificate_problem(error):
        return ConfigurationError(f"the server's certificate is not trusted: {message}")
    if isinstance(
        error,
        (httpx.UnsupportedProtocol, httpx.InvalidURL, websockets.exceptions.InvalidURI, ValueError),
    ):
        return ConfigurationError(f"not a usable address: {message}")
    return TransientError(message)


def about(what: str, error: CandlecastError) -> CandlecastError:
    """Return the same error with what it is about in front of its message."""
    message = f"{what}: {error}"
    if isinstance(error, TransientError):
        return type(error)(message, retry_after_seconds=error.retry_after_seconds)
    return type(error)(message)


def _starts_like_json(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"{"


def _classify_handshake(error: websockets.exceptions.InvalidStatus) -> CandlecastError:
    response = error.response
    retry_after = response.headers.get("Retry-After")
    classified = classify_http_answer(
        response.status_code, bytes(response.body or b""), retry_after=retry_after
    )
    return classified or TransientError(f"the WebSocket handshake was answered by {error}")


def _is_certificate_problem(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _seconds(retry_after: str | None, *, default: float | None) -> float | None:
    """Read a Retry-After header; its other form, a date, would need the local clock: ignored."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return default
    return float(retry_after[:9])
