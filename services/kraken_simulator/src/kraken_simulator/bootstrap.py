"""Puts the simulator together from its settings; the only place that knows every part."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candlecast.errors import ConfigurationError
from kraken_simulator.admin_api import AdminApi
from kraken_simulator.clock import ServerClock
from kraken_simulator.exchange import Exchange, Market
from kraken_simulator.faults import FaultInjector
from kraken_simulator.generated_trades import GeneratedTrades
from kraken_simulator.listings import listing_of
from kraken_simulator.market_profiles import PROFILES
from kraken_simulator.metrics import Metrics
from kraken_simulator.rate_limit import RateLimiter
from kraken_simulator.recorded_trades import load_recorded_trades
from kraken_simulator.rest_api import SIMULATOR_HEADER, RestApi
from kraken_simulator.settings import Settings
from kraken_simulator.websocket_api import WebSocketApi


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Simulator:
    """A simulator that is ready to be served."""

    application: ASGIApp
    websocket_api: WebSocketApi
    clock: ServerClock
    metrics: Metrics
    product_ids: tuple[str, ...]


def build_simulator(settings: Settings) -> Simulator:
    """Build a simulator.

    Raises:
        ConfigurationError: a product is unknown or a recording cannot be used.
    """
    exchange = build_exchange(settings)
    clock = ServerClock(
        speed=settings.speed,
        anchor_wall_ms=settings.clock_anchor_wall_ms,
        anchor_server_ms=settings.clock_anchor_server_ms,
    )
    injector = FaultInjector(settings.faults, seed=settings.seed)
    metrics = Metrics()
    metrics.server_time_seconds.set_function(lambda: clock.now_ns() / 1e9)
    limiter = RateLimiter(
        calls_per_second=settings.rest_calls_per_second, burst=settings.rest_calls_burst
    )
    rest_api = RestApi(exchange, clock, injector, limiter, metrics)
    websocket_api = WebSocketApi(exchange, clock, injector, metrics)
    admin_api = AdminApi(exchange, clock, injector, websocket_api)
    application = Starlette(routes=[*rest_api.routes, *websocket_api.routes, *admin_api.routes])
    return Simulator(
        application=_mark_as_simulated(application),
        websocket_api=websocket_api,
        clock=clock,
        metrics=metrics,
        product_ids=tuple(exchange.markets),
    )


def build_exchange(settings: Settings) -> Exchange:
    """Build the markets that the settings ask for."""
    available = dict.fromkeys([*PROFILES, *settings.recorded_trades])
    unknown = [name for name in settings.products if name not in available]
    if unknown:
        raise ConfigurationError(
            f"PRODUCTS={','.join(unknown)}: unknown; allowed: {', '.join(available)}, "
            "and those of RECORDED_TRADES"
        )
    return Exchange(_markets(settings, settings.products or tuple(available)))


def _markets(settings: Settings, product_ids: tuple[str, ...]) -> Iterator[Market]:
    for product_id in product_ids:
        path = settings.recorded_trades.get(product_id)
        if path is not None:
            recording = load_recorded_trades(path)
            listing = listing_of(product_id)
            decimals = max(listing.price_decimals, recording.price_decimals)
            yield Market(listing_of(product_id, price_decimals=decimals), recording)
        else:
            listing = listing_of(product_id)
            yield Market(
                listing,
                GeneratedTrades(
                    PROFILES[product_id],
                    seed=settings.seed,
                    price_decimals=listing.price_decimals,
                ),
            )


def _mark_as_simulated(application: ASGIApp) -> ASGIApp:
    """Put the header on every HTTP answer, so that simulated data can never pass for real."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SIMULATOR_HEADER] = "1"
            await send(message)

        await application(scope, receive, send_marked)

    return marked
