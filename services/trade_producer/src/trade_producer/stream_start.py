"""Where a stream begins, and where REST is read from."""

from candlecast.kraken.trade_history import (
    NANOSECONDS_PER_MILLISECOND,
    TradesSource,
    last_trade_before,
)
from candlecast.market.product import Product
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import StreamStart, TradesRecord


async def start_record(client: TradesSource, product: Product, start_ms: int) -> TradesRecord:
    """Return the first record of a stream that starts at `start_ms`: no trades, but the cursor.

    The stream goes on from the last trade that REST shows before its start. If REST lags, others
    come after that one and still before the start; so the watermark does not pass it yet.

    Raises:
        TransientError, InvalidMessageError: the exchange does not answer sensibly.
    """
    seed = await last_trade_before(client, product, start_ms)
    # One without a number could not be told from the trades that follow it.
    has_cursor = seed is not None and seed.trade_id > 0
    cursor_ms = seed.timestamp_ms if seed is not None and has_cursor else start_ms
    return TradesRecord(
        batch=TradeBatch.empty(product.product_id),
        last_trade_id=seed.trade_id if seed is not None and has_cursor else 0,
        last_timestamp_ms=cursor_ms,
        watermark_ms=cursor_ms,
        start=StreamStart(
            timestamp_ms=start_ms, previous_close=None if seed is None else seed.price
        ),
    )


def since_ns(last_timestamp_ms: int) -> int:
    """Return from where REST has to be asked to show the last trade again.

    REST's times are off by up to 119 ns, so one may have been rounded into the next millisecond.
    """
    return max(0, last_timestamp_ms - 1) * NANOSECONDS_PER_MILLISECOND
