"""What an exchange would never tell: the truth, the clock, and the switches of its faults."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from candlecast.errors import ConfigurationError
from kraken_simulator.clock import ServerClock
from kraken_simulator.exchange import Exchange, Market
from kraken_simulator.faults import FaultInjector, change_faults
from kraken_simulator.plain_candles import candles_of_range
from kraken_simulator.trades import NANOSECONDS_PER_MILLISECOND
from kraken_simulator.websocket_api import WebSocketApi

_Handler = Callable[[Request], Awaitable[object]]


class BadRequestError(Exception):
    """The caller has to ask differently; becomes HTTP 400 with one line."""


class _Silence(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class AdminApi:
    """Answers `/admin/...`; neither limited nor faulty."""

    def __init__(
        self,
        exchange: Exchange,
        clock: ServerClock,
        injector: FaultInjector,
        websocket_api: WebSocketApi,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._injector = injector
        self._websocket_api = websocket_api

    @property
    def routes(self) -> list[Route]:
        """The routes to mount."""
        return [
            _route("/admin/faults", "GET", self._faults),
            _route("/admin/faults", "POST", self._change_faults),
            _route("/admin/disconnect", "POST", self._disconnect),
            _route("/admin/silence", "POST", self._silence),
            _route("/admin/truth", "GET", self._truth),
            _route("/admin/clock", "GET", self._tell_clock),
        ]

    async def _faults(self, _request: Request) -> object:
        return self._injector.faults

    async def _change_faults(self, request: Request) -> object:
        try:
            self._injector.faults = change_faults(self._injector.faults, await request.body())
        except ConfigurationError as error:
            raise BadRequestError(str(error)) from error
        self._websocket_api.faults_changed()
        return self._injector.faults

    async def _disconnect(self, _request: Request) -> object:
        return {"disconnected": self._websocket_api.disconnect_all()}

    async def _silence(self, request: Request) -> object:
        try:
            silence = msgspec.json.decode(await request.body(), type=_Silence)
        except msgspec.DecodeError as error:
            raise BadRequestError(f"silence: {error}") from error
        return {"silenced": self._websocket_api.silence_all(silence.seconds)}

    async def _tell_clock(self, _request: Request) -> object:
        return {
            "server_ms": self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND,
            "speed": self._clock.line.speed,
        }

    async def _truth(self, request: Request) -> object:
        market, start_ms, end_ms, window_ms = self._truth_range(request)
        return await asyncio.to_thread(
            lambda: list(candles_of_range(market, start_ms, end_ms, window_ms))
        )

    def _truth_range(self, request: Request) -> tuple[Market, int, int, int]:
        product_id = request.query_params.get("product_id", "")
        market = self._exchange.by_product(product_id)
        if market is None:
            known = ", ".join(self._exchange.markets)
            raise BadRequestError(f"product_id={product_id!r} is not listed; there are {known}")
        start_ms = _whole_number(request, "start_ms")
        end_ms = _whole_number(request, "end_ms")
        window_ms = _whole_number(request, "window_seconds", default="60") * 1_000
        if window_ms <= 0 or start_ms % window_ms or end_ms % window_ms:
            raise BadRequestError(
                f"start_ms={start_ms} and end_ms={end_ms} must be multiples of the window, "
                f"{window_ms} ms"
            )
        now_ms = self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND
        if not start_ms <= end_ms <= now_ms:
            raise BadRequestError(
                f"start_ms={start_ms}, end_ms={end_ms}: must be in order and not after "
                f"server time, {now_ms}"
            )
        return market, start_ms, end_ms, window_ms


def _route(path: str, method: str, handler: _Handler) -> Route:
    async def answer(request: Request) -> Response:
        try:
            body = await handler(request)
        except BadRequestError as error:
            return _json({"error": str(error)}, status=400)
        return _json(body, status=200)

    return Route(path, answer, methods=[method])


def _json(body: object, *, status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _whole_number(request: Request, name: str, default: str | None = None) -> int:
    text = request.query_params.get(name, default)
    if text is None:
        raise BadRequestError(f"{name} is missing")
    try:
        return int(text)
    except ValueError as error:
        raise BadRequestError(f"{name}={text!r} is not a whole number") from error
