"""The live producer in the test's own loop: a real exchange or simulator, a topic in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from candlecast.kraken.rest import KrakenRestClient
from candlecast.messaging.trades_record import TradesRecord
from candlecast.runtime.monitoring import Readiness
from candlecast.runtime.settings import load_settings
from trade_producer.live import LiveProducer
from trade_producer.metrics import Metrics
from trade_producer.patience import until_answered
from trade_producer.settings import Settings
from trade_producer.testing.in_memory import InMemorySink

_STEP_SECONDS = 0.01


@dataclass
class LiveRun:
    """What a running producer shows.

    Attributes:
        product_ids: what it publishes.
        sink: where it publishes.
        registry: its metrics.
        readiness: what it says of itself.
        producing: the producer; done only if it failed.
    """

    product_ids: Sequence[str]
    sink: InMemorySink
    producing: asyncio.Task[None]
    registry: CollectorRegistry
    readiness: Readiness = field(default_factory=Readiness)

    def counted(self, name: str, product_id: str) -> float:
        """Return the value of a metric that is told by product."""
        name = f"candlecast_trade_producer_{name}"
        return self.registry.get_sample_value(name, {"product_id": product_id}) or 0.0

    def total(self, name: str, **labels: str) -> float:
        """Return the value of a metric that is not."""
        name = f"candlecast_trade_producer_{name}"
        return self.registry.get_sample_value(name, labels) or 0.0

    async def until(self, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Wait until a condition holds; fail when it does not in time, or the producer failed."""
        async with asyncio.timeout(seconds):
            while not condition():
                if self.producing.done():
                    await self.producing
                await asyncio.sleep(_STEP_SECONDS)

    async def until_connected(self, connections: int, *, seconds: float = 30.0) -> None:
        """Wait until there have been so many connections and the producer is ready."""
        await self.until(
            lambda: (
                self.total("websocket_connections_total") == connections and self.readiness.is_ready
            ),
            seconds=seconds,
        )

    async def until_watermark(self, watermark_ms: int, *, seconds: float = 30.0) -> None:
        """Wait until all products are complete up to a moment."""
        await self.until(
            lambda: all(self.sink.watermark_ms(name) >= watermark_ms for name in self.product_ids),
            seconds=seconds,
        )


@asynccontextmanager
async def live_run(
    rest_url: str,
    websocket_url: str,
    product_ids: Sequence[str],
    *,
    cursors: Mapping[str, TradesRecord] | None = None,
    hurry: float = 20.0,
    **settings: Any,
) -> AsyncIterator[LiveRun]:
    """Run a live producer for the length of a block.

    Args:
        rest_url: of the exchange.
        websocket_url: of the exchange.
        product_ids: what to publish.
        cursors: the last published records, as a restart finds them in the topic.
        hurry: how much shorter the REST client's pauses are than they should be.
        settings: other fields of `Settings`; by default REST may be asked as often as one likes.
    """
    given = {
        "kafka_broker_address": "nowhere",
        "product_ids": product_ids,
        "kraken_rest_url": rest_url,
        "kraken_websocket_url": websocket_url,
        "kraken_rest_calls_per_second": 1_000.0,
        **settings,
    }
    loaded = load_settings(Settings, _env_file=None, **given)
    registry, readiness, sink = CollectorRegistry(), Readiness(), InMemorySink()
    metrics = Metrics(registry)
    async with KrakenRestClient(
        loaded.kraken_rest_url,
        calls_per_second=loaded.kraken_rest_calls_per_second,
        give_up_after_seconds=60.0,
        sleep=lambda seconds: asyncio.sleep(seconds / hurry),
    ) as client:
        catalogue = await until_answered(client.product_catalogue, metrics)
        producer = LiveProducer(
            loaded, client=client, sink=sink, metrics=metrics, readiness=readiness
        )
        products = [catalogue.product(name) for name in product_ids]
        producing = asyncio.create_task(producer.run(products, cursors or {}))
        try:
            yield LiveRun(product_ids, sink, producing, registry, readiness)
        finally:
            producing.cancel()
            with suppress(asyncio.CancelledError):
                await producing
