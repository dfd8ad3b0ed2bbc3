import ssl

import httpx
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus, InvalidURI
from websockets.http11 import Response

from candlecast.errors import (
    CandlecastError,
    ConfigurationError,
    InvalidMessageError,
    TransientError,
)
from candlecast.kraken.errors import (
    RateLimitedError,
    about,
    classify_error_texts,
    classify_exception,
    classify_http_answer,
)

CLOUDFLARE_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title>"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EAPI:Rate limit exceeded", RateLimitedError),
        ("EGeneral:Too many requests", RateLimitedError),
        ("EGeneral:Temporary lockout", RateLimitedError),
        ("EService:Unavailable", TransientError),
        ("EService:Busy", TransientError),
        ("EService:Deadline elapsed", TransientError),
        ("EService:Market in cancel_only mode", TransientError),
        ("EGeneral:Internal error", TransientError),
        ("EGeneral:Internal error[1]", TransientError),
        ("EDatabase:Internal error", TransientError),
        ("EOther:Never seen before", TransientError),
        ("EQuery:Unknown asset pair", ConfigurationError),
        ("EQuery:Invalid asset pair", ConfigurationError),
        ("EGeneral:Invalid arguments:count", ConfigurationError),
        ("EGeneral:Unknown method", ConfigurationError),
    ],
)
def test_each_error_text_asks_for_one_thing_to_do(text: str, kind: type[CandlecastError]) -> None:
    error = classify_error_texts([text])

    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize("texts", [[], ["WGeneral:Deprecated"]])
def test_warnings_are_not_errors(texts: list[str]) -> None:
    assert classify_error_texts(texts) is None


def test_a_lockout_asks_for_a_longer_rest_than_a_rate_limit() -> None:
    rate_limit = classify_error_texts(["EAPI:Rate limit exceeded"])
    lockout = classify_error_texts(["WOther:x", "EGeneral:Temporary lockout"])

    assert isinstance(rate_limit, RateLimitedError)
    assert isinstance(lockout, RateLimitedError)
    assert (rate_limit.retry_after_seconds, lockout.retry_after_seconds) == (5.0, 60.0)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 521, 526, 530])
def test_statuses_of_a_struggling_server_are_transient(status: int) -> None:
    assert type(classify_http_answer(status, CLOUDFLARE_PAGE)) is TransientError


@pytest.mark.parametrize(("header", "seconds"), [("17", 17.0), (None, 5.0), ("tomorrow", 5.0)])
def test_status_429_is_a_rate_limit_that_may_say_how_long(
    header: str | None, seconds: float
) -> None:
    error = classify_http_answer(429, b"", retry_after=header)

    assert isinstance(error, RateLimitedError)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize("body", [CLOUDFLARE_PAGE, b"", b"error code: 1020"])
@pytest.mark.parametrize("status", [200, 403])
def test_something_else_than_json_is_transient(status: int, body: bytes) -> None:
    assert type(classify_http_answer(status, body)) is TransientError


@pytest.mark.parametrize("status", [301, 400, 401, 404, 405])
def test_statuses_of_a_wrong_address_are_configuration_errors(status: int) -> None:
    assert type(classify_http_answer(status, CLOUDFLARE_PAGE)) is ConfigurationError


def test_json_with_status_200_is_left_to_the_parser() -> None:
    assert classify_http_answer(200, b' {"error":[]}') is None


def handshake(status: int, body: bytes = b"") -> InvalidStatus:
    return InvalidStatus(Response(status, "reason", Headers({"Retry-After": "30"}), body))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout("slow"), TransientError),
        (httpx.ConnectError("refused"), TransientError),
        (httpx.RemoteProtocolError("cut off"), TransientError),
        (httpx.UnsupportedProtocol("ftp"), ConfigurationError),
        (httpx.InvalidURL("no"), ConfigurationError),
        (ConnectionClosedError(None, None), TransientError),
        (InvalidURI("x", "no"), ConfigurationError),
        (handshake(429), RateLimitedError),
        (handshake(503), TransientError),
        (handshake(200, CLOUDFLARE_PAGE), TransientError),
        (handshake(404), ConfigurationError),
        (ConnectionResetError("reset"), TransientError),
        (TimeoutError(), TransientError),
        (EOFError(), TransientError),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_exceptions_of_the_libraries_become_ours(
    error: Exception, kind: type[CandlecastError]
) -> None:
    assert type(classify_exception(error)) is kind


def test_an_untrusted_certificate_is_a_configuration_error() -> None:
    error = httpx.ConnectError("failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")

    assert isinstance(classify_exception(error), ConfigurationError)


def test_our_own_errors_pass_unchanged() -> None:
    error = InvalidMessageError("x")

    assert classify_exception(error) is error


def test_saying_what_an_error_is_about_keeps_its_kind_and_its_pause() -> None:
    error = about("Trades", RateLimitedError("slow down", retry_after_seconds=5.0))

    assert isinstance(error, RateLimitedError)
    assert (str(error), error.retry_after_seconds) == ("Trades: slow down", 5.0)
    assert type(about("Trades", ConfigurationError("x"))) is ConfigurationError
