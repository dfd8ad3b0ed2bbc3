"""The client for Kraken's public REST API.

Responsible for: one method per endpoint, staying within the rate limits, and trying again with
back-off what may go through later. What an answer means is `rest_parser`'s business, what an error
means `errors`'s, and paging through history `trade_history`'s.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from candlecast.errors import (
    ConfigurationError,
    InvalidMessageError,
    TransientError,
)
from candlecast.kraken import rest_parser
from candlecast.kraken.errors import (
    RATE_LIMIT_PAUSE_SECONDS,
    RateLimitedError,
    about,
    classify_error_texts,
    classify_exception,
    classify_http_answer,
)
from candlecast.kraken.messages import AssetPair, SystemStatus
from candlecast.kraken.rate_limiter import IP_LIMIT, LimitKey, RateLimiter
from candlecast.kraken.rest_parser import OhlcPage, TradesPage
from candlecast.market.product import Product, ProductCatalogue
from candlecast.runtime.backoff import backoff_delays

PRODUCTION_BASE_URL = "https://api.kraken.com"
LARGEST_TRADES_PAGE = 1_000
SIMULATOR_HEADER = "x-candlecast-simulator"

Value = TypeVar("Value")


class Outcome(StrEnum):
    """How one request ended."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    TRANSIENT = "transient"
    REJECTED = "rejected"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class RequestReport:
    """What the client tells about each request it made, retries included.

    Attributes:
        endpoint: for instance "Trades".
        outcome: how it ended.
        duration_seconds: from sending to the whole answer.
    """

    endpoint: str
    outcome: Outcome
    duration_seconds: float


class KrakenRestClient:
    """An async context manager with one method per public endpoint.

    Every method raises ConfigurationError for what cannot work (an unknown pair), TransientError
    once it has tried for `give_up_after_seconds`, and InvalidMessageError for an answer that is not
    shaped as Kraken's are.
    """

    def __init__(
        self,
        base_url: str = PRODUCTION_BASE_URL,
        calls_per_second: float = 1.0,
        timeout_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        give_up_after_seconds: float = 60.0,
        on_request: Callable[[RequestReport], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Build a client; no connection is made yet.

        Args:
            base_url: of the exchange or a simulator of it.
            calls_per_second: for each pair's Trades, each pair's OHLC, and for all other calls.
            timeout_seconds: for one request, not for its retries.
            transport: instead of the network, for tests.
            give_up_after_seconds: how long a call is retried.
            on_request: is told about each request, for metrics.
            clock: monotonic seconds.
            sleep: waits for some seconds.
        """
        _require_address(base_url)
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=timeout_seconds, transport=transport
        )
        self._limiter = RateLimiter(calls_per_second=calls_per_second, clock=clock, sleep=sleep)
        self._give_up_after_seconds = give_up_after_seconds
        self._on_request = on_request
        self._clock = clock
        self._sleep = sleep
        self._is_simulator = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    @property
    def is_simulator(self) -> bool:
        """Whether an answer so far said that it comes from a simulator."""
        return self._is_simulator

    async def trades(
        self, pair: Product | str, since_ns: int | None = None, count: int = LARGEST_TRADES_PAGE
    ) -> TradesPage:
        """Trades: the oldest `count` at or after `since_ns`, or the newest `count` without it.

        Args:
            pair: a product, or any REST name (the batch then carries that name).
            since_ns: always sent as an integer; fractional seconds return earlier trades.
            count: 1 to 1000.
        """
        parameters = {"pair": _rest_name(pair), "count": str(count)}
        if since_ns is not None:
            parameters["since"] = str(since_ns)
        page = await self._call(
            "Trades",
            parameters,
            lambda result: rest_parser.parse_trades(result, _product_id(pair)),
            LimitKey("Trades", _rest_name(pair)),
        )
        if isinstance(pair, Product) and page.rest_key not in (pair.rest_key, pair.altname):
            raise InvalidMessageError(f"asked for {pair.product_id}, answered {page.rest_key!r}")
        return page

    async def ohlc(
        self, pair: Product | str, interval_minutes: int = 1, since_seconds: int | None = None
    ) -> OhlcPage:
        """OHLC: the newest 720 candles at most, and the running one."""
        parameters = {"pair": _rest_name(pair), "interval": str(interval_minutes)}
        if since_seconds is not None:
            parameters["since"] = str(since_seconds)
        return await self._call(
            "OHLC",
            parameters,
            lambda result: rest_parser.parse_ohlc(result, _product_id(pair)),
            LimitKey("OHLC", _rest_name(pair)),
        )

    async def asset_pairs(self) -> dict[str, AssetPair]:
        """AssetPairs: every pair by its internal name, dark pools included."""
        return await self._call("AssetPairs", {}, rest_parser.parse_asset_pairs)

    async def product_catalogue(self) -> ProductCatalogue:
        """Every product the exchange lists, from AssetPairs."""
        return ProductCatalogue.from_asset_pairs(await self.asset_pairs())

    async def time(self) -> int:
        """Time: the server's clock in milliseconds."""
        return await self._call("Time", {}, rest_parser.parse_time)

    async def system_status(self) -> SystemStatus:
        """SystemStatus: whether the exchange trades."""
        return await self._call("SystemStatus", {}, rest_parser.parse_system_status)

    async def _call(
        self,
        endpoint: str,
        parameters: dict[str, str],
        parse: Callable[[bytes], Value],
        limit_key: LimitKey = IP_LIMIT,
    ) -> Value:
        """Make a call until it goes through, cannot go through, or the time is up."""
        give_up_at = self._clock() + self._give_up_after_seconds
        for delay_seconds in backoff_delays():
            await self._limiter.wait(limit_key)
            try:
                return await self._request(endpoint, parameters, parse, limit_key)
            except TransientError as error:
                asked_seconds = error.retry_after_seconds
                pause_seconds = max(delay_seconds, 0.0 if asked_seconds is None else asked_seconds)
                if self._clock() + pause_seconds > give_up_at:
                    raise TransientError(
                        f"{endpoint}: gave up after {self._give_up_after_seconds:g} s; {error}",
                        retry_after_seconds=asked_seconds,
                    ) from error
                await self._sleep(pause_seconds)
        raise AssertionError("backoff_delays never ends")

    async def _request(
        self,
        endpoint: str,
        parameters: dict[str, str],
        parse: Callable[[bytes], Value],
        limit_key: LimitKey,
    ) -> Value:
        """Make one request and tell how it ended."""
        started = self._clock()
        outcome = Outcome.TRANSIENT
        try:
            value = parse(await self._result(endpoint, parameters))
            outcome = Outcome.OK
            self._limiter.answered(limit_key)
        except RateLimitedError as error:
            outcome = Outcome.RATE_LIMITED
            asked_seconds = error.retry_after_seconds
            rest_seconds = self._limiter.refused(
                limit_key,
                pause_seconds=RATE_LIMIT_PAUSE_SECONDS if asked_seconds is None else asked_seconds,
            )
            raise RateLimitedError(str(error), retry_after_seconds=rest_seconds) from error
        except ConfigurationError:
            outcome = Outcome.REJECTED
            raise
        except InvalidMessageError:
            outcome = Outcome.INVALID
            raise
        finally:
            if self._on_request is not None:
                self._on_request(RequestReport(endpoint, outcome, self._clock() - started))
        return value

    async def _result(self, endpoint: str, parameters: dict[str, str]) -> bytes:
        try:
            response = await self._http.get(f"/0/public/{endpoint}", params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise about(endpoint, classify_exception(error)) from error
        if SIMULATOR_HEADER in response.headers:
            self._is_simulator = True
        body = response.content
        refusal = classify_http_answer(
            response.status_code, body, retry_after=response.headers.get("retry-after")
        )
        if refusal is None:
            answer = rest_parser.parse_answer(body)
            refusal = classify_error_texts(answer.error)
        if refusal is not None:
            raise about(endpoint, refusal)
        if answer.result is msgspec.UNSET:
            raise InvalidMessageError(f"{endpoint}: an answer with neither error nor result")
        return bytes(answer.result)


def _require_address(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError as error:
        raise ConfigurationError(f"not a usable address: {base_url!r}") from error
    if not is_usable:
        raise ConfigurationError(f"not a usable address: {base_url!r}")


def _rest_name(pair: Product | str) -> str:
    return pair.altname if isinstance(pair, Product) else pair


def _product_id(pair: Product | str) -> str:
    return pair.product_id if isinstance(pair, Product) else pair
