"""Kraken's public REST endpoints over Starlette: rate limits and faults around `rest_answers`."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kraken_simulator.clock import ServerClock
from kraken_simulator.exchange import Exchange
from kraken_simulator.faults import FaultInjector
from kraken_simulator.metrics import Metrics
from kraken_simulator.rate_limit import RateLimiter
from kraken_simulator.rest_answers import (
    RestError,
    asset_pairs_body,
    error_body,
    ohlc_body,
    server_time_body,
    system_status_body,
    trades_body,
)

SIMULATOR_HEADER = "x-candlecast-simulator"
RATE_LIMIT_EXCEEDED = "EAPI:Rate limit exceeded"

_LIMITED_BY_PAIR = frozenset(("Trades", "OHLC"))
_WEB_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


class RestApi:
    """Answers `/0/public/<endpoint>`."""

    def __init__(
        self,
        exchange: Exchange,
        clock: ServerClock,
        injector: FaultInjector,
        limiter: RateLimiter,
        metrics: Metrics,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._injector = injector
        self._limiter = limiter
        self._metrics = metrics
        self._answers: dict[str, Callable[[Request], str]] = {
            "Time": lambda _: server_time_body(clock.now_ns()),
            "SystemStatus": lambda _: system_status_body(clock.now_ns()),
            "AssetPairs": lambda request: asset_pairs_body(exchange, request.query_params),
            "Trades": lambda request: trades_body(
                exchange, request.query_params, clock.now_ns(), injector.faults
            ),
            "OHLC": lambda request: ohlc_body(
                exchange, request.query_params, clock.now_ns(), injector.faults
            ),
        }

    @property
    def routes(self) -> list[Route]:
        """The routes to mount."""
        return [Route("/0/public/{endpoint}", self._serve, methods=["GET"])]

    async def _serve(self, request: Request) -> Response:
        endpoint = request.path_params["endpoint"]
        if endpoint not in self._answers:
            return self._error("unknown", "EGeneral:Unknown method")
        await self._be_slow()
        fault = self._faulty_answer(endpoint)
        if fault is not None:
            return fault
        if not self._limiter.admits(self._limit_key(endpoint, request), time.monotonic()):
            return self._error(endpoint, RATE_LIMIT_EXCEEDED)
        try:
            # In a thread: a page of a quiet product or 720 candles must not hold up WebSockets.
            body = await asyncio.to_thread(self._answers[endpoint], request)
        except RestError as error:
            return self._error(endpoint, str(error))
        self._metrics.requests.labels(endpoint, "ok").inc()
        return Response(body, media_type="application/json")

    def _limit_key(self, endpoint: str, request: Request) -> tuple[str, ...]:
        caller = request.client.host if request.client is not None else ""
        if endpoint not in _LIMITED_BY_PAIR:
            return (caller,)
        name = request.query_params.get("pair", "")
        market = self._exchange.by_rest_name(name)
        return (caller, endpoint, name if market is None else market.product_id)

    async def _be_slow(self) -> None:
        faults = self._injector.faults
        if self._injector.strikes(faults.slow_probability):
            self._metrics.faults_injected.labels("slow").inc()
            await asyncio.sleep(faults.slow_seconds)

    def _faulty_answer(self, endpoint: str) -> Response | None:
        faults, strikes = self._injector.faults, self._injector.strikes
        if strikes(faults.http_429_probability):
            return self._fault(endpoint, "http_429", Response("Too Many Requests", 429))
        if strikes(faults.http_5xx_probability):
            status = self._injector.server_error_status()
            return self._fault(endpoint, "http_5xx", Response("error", status))
        if strikes(faults.html_probability):
            return self._fault(endpoint, "html", Response(_WEB_PAGE, media_type="text/html"))
        if strikes(faults.rate_limit_probability):
            self._metrics.faults_injected.labels("rate_limit").inc()
            return self._error(endpoint, RATE_LIMIT_EXCEEDED)
        return None

    def _fault(self, endpoint: str, name: str, response: Response) -> Response:
        self._metrics.faults_injected.labels(name).inc()
        self._metrics.requests.labels(endpoint, name).inc()
        return response

    def _error(self, endpoint: str, code: str) -> Response:
        self._metrics.requests.labels(endpoint, code).inc()
        return Response(error_body(code), media_type="application/json")
