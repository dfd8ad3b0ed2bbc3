"""Reading a page of history by its trade ids: pure, on columns.

A trade's identity is (product, trade_id) and nothing else: times are neither unique nor equal
between REST and WebSocket. Ids count without holes, so what is new, what is double and what is
missing all follow from them. Some old runs of trades came with id 0 (APTUSD in February 2023); ids
run on linearly through them, so they are numbered from their neighbours.
"""

import numpy as np

from candlecast.errors import InvalidMessageError, InvariantError
from candlecast.market.trade_batch import Int64Column, TradeBatch


def number_unnumbered(trade_id: Int64Column, previous_id: int = 0) -> Int64Column:
    """Return the ids with zeros replaced by what the neighbours' ids say.

    Args:
        trade_id: ids in the exchange's order, 0 where unknown.
        previous_id: the id of the trade right before the first row, used only if no row has an id;
            0 if that is unknown too: then nothing can be said and the zeros stay.

    Raises:
        InvalidMessageError: if more rows than ids lie between two numbered rows.
    """
    is_numbered = trade_id > 0
    if is_numbered.all():
        return trade_id
    rows = np.arange(len(trade_id))
    if not is_numbered.any():
        return previous_id + 1 + rows if previous_id > 0 else trade_id
    last_numbered = np.maximum.accumulate(np.where(is_numbered, rows, -1))
    first_numbered = int(np.argmax(is_numbered))
    # Rows before the first numbered one count backwards from it, the others forwards.
    anchor = np.where(last_numbered < 0, first_numbered, last_numbered)
    numbered: Int64Column = trade_id[anchor] + (rows - anchor)
    if (numbered <= 0).any() or ((np.diff(numbered) <= 0) & ~is_numbered[:-1]).any():
        raise InvalidMessageError("more trades without an id than ids are free between neighbours")
    return numbered


def with_ids(batch: TradeBatch, trade_id: Int64Column) -> TradeBatch:
    """Return the batch with other ids."""
    return TradeBatch(
        product_id=batch.product_id,
        trade_id=trade_id,
        timestamp_ms=batch.timestamp_ms,
        price=batch.price,
        quantity=batch.quantity,
        is_buy=batch.is_buy,
    )


def in_id_order(batch: TradeBatch) -> TradeBatch:
    """Return the trades ascending by id, each id once.

    Raises:
        InvariantError: if one id stands for two different trades.
    """
    if (np.diff(batch.trade_id) > 0).all():
        return batch
    ordered = batch.select(np.argsort(batch.trade_id, kind="stable"))
    repeats = np.append(False, np.diff(ordered.trade_id) == 0)
    _require_same_trades(ordered.select(repeats), ordered.select(np.append(repeats[1:], False)))
    return ordered.select(~repeats)


def missing_ids(trade_id: Int64Column, last_trade_id: int) -> tuple[range, ...]:
    """Return the holes in ascending ids, counted from `last_trade_id` unless that is 0."""
    ids = trade_id if last_trade_id == 0 else np.append(last_trade_id, trade_id)
    jumps = np.flatnonzero(np.diff(ids) > 1)
    return tuple(range(int(ids[jump]) + 1, int(ids[jump + 1])) for jump in jumps)


def overlapping_rows(previous: TradeBatch, following: TradeBatch) -> int:
    """Return how many rows at the start of a page repeat the end of the one before.

    Only for trades without ids: the longest end of one page that is equal to a start of the other.
    """
    for length in range(min(len(previous), len(following)), 0, -1):
        if _are_same_trades(previous.select(slice(-length, None)), following.select(slice(length))):
            return length
    return 0


def _require_same_trades(one: TradeBatch, other: TradeBatch) -> None:
    if not _are_same_trades(one, other):
        raise InvariantError(
            f"{one.product_id}: one trade id stands for two different trades, "
            f"among ids {one.trade_id[:5].tolist()}"
        )


def _are_same_trades(one: TradeBatch, other: TradeBatch) -> bool:
    return bool(
        (one.price == other.price).all()
        and (one.quantity == other.quantity).all()
        and (one.is_buy == other.is_buy).all()
        and (one.timestamp_ms == other.timestamp_ms).all()
    )
