"""Batches of trades written by hand, as short as a test's sentence needs them."""

from collections.abc import Sequence

from candlecast.market.trade_batch import TradeBatch


def make_batch(
    *trades: tuple[int, float],
    first_id: int = 1,
    ids: Sequence[int] | None = None,
    quantity: float = 1.0,
    is_buy: bool = False,
    product_id: str = "BTC/USD",
) -> TradeBatch:
    """Build a batch from (timestamp_ms, price) pairs, numbered from `first_id` or by `ids`."""
    size = len(trades)
    return TradeBatch.from_columns(
        product_id,
        trade_id=range(first_id, first_id + size) if ids is None else ids,
        timestamp_ms=[timestamp_ms for timestamp_ms, _ in trades],
        price=[price for _, price in trades],
        quantity=[quantity] * size,
        is_buy=[is_buy] * size,
    )


def columns_of(batch: TradeBatch) -> dict[str, object]:
    """Return a batch as plain values, which can be compared."""
    return {
        "product_id": batch.product_id,
        "trade_id": batch.trade_id.tolist(),
        "timestamp_ms": batch.timestamp_ms.tolist(),
        "price": batch.price.tolist(),
        "quantity": batch.quantity.tolist(),
        "is_buy": batch.is_buy.tolist(),
    }
