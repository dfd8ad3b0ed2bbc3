"""The exchange's own candles, to check ours against."""

import httpx
import msgspec
import numpy as np

from candlecast.errors import TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.market.candle import Candle
from candlecast.store.check import ReferenceCandles

_TIMEOUT_SECONDS = 60.0
_TRUTH_SPAN_MS = 86_400_000


async def kraken_reference(client: KrakenRestClient, product_id: str) -> ReferenceCandles:
    """Return Kraken's one-minute candles: the newest 720, which is all that it gives.

    Their vwap is rounded and they do not tell buyers from sellers, so neither is compared.

    Raises:
        ConfigurationError: the exchange does not know the product.
        TransientError: the exchange does not answer.
    """
    catalogue = await client.product_catalogue()
    page = await client.ohlc(catalogue.product(product_id), interval_minutes=1)
    names = ("open", "high", "low", "close", "volume", "trade_count")
    return ReferenceCandles(
        np.array([candle.start_ms for candle in page.candles], dtype=np.int64),
        {name: np.array([getattr(candle, name) for candle in page.candles]) for name in names},
    )


def simulator_reference(
    rest_url: str, product_id: str, start_ms: int, end_ms: int
) -> ReferenceCandles:
    """Return the simulator's truth about [start_ms, end_ms), day by day.

    Raises:
        TransientError: the simulator does not answer.
    """
    candles: list[Candle] = []
    for day_start_ms in range(start_ms, end_ms, _TRUTH_SPAN_MS):
        query: dict[str, str | int] = {
            "product_id": product_id,
            "start_ms": day_start_ms,
            "end_ms": min(day_start_ms + _TRUTH_SPAN_MS, end_ms),
        }
        try:
            answer = httpx.get(f"{rest_url}/admin/truth", params=query, timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise TransientError(f"the simulator does not tell the truth: {error}") from error
        candles += msgspec.json.decode(answer.content, type=list[Candle])
    return ReferenceCandles.from_candles(candles)
