"""Candles as a fold over trades: pure, replayable, with a state that fits a stream processor.

A window closes when the watermark passes its end, never because a later trade was seen, so a
quiet product's candle is on time and nobody's is early. Splitting, repeating or replaying the
input never changes the candles.
"""

from dataclasses import dataclass, field
from typing import Self

import msgspec
import numpy as np

from candlecast.errors import ConfigurationError
from candlecast.market.candle import Candle
from candlecast.market.exact_sum import exact_parts_of_segments
from candlecast.market.open_window import OpenWindow, flat_candle
from candlecast.market.time_grid import MINUTE_MS, ceil_to_window, floor_to_window
from candlecast.market.trade_batch import TradeBatch

_NO_ID = np.iinfo(np.int64).max
"""Stands for an unknown id where the lowest known one is looked for."""


@dataclass(slots=True)
class Folded:
    """What one call of `CandleBuilder.add` brought about.

    Attributes:
        candles: the windows that closed, in order of time.
        late: trades whose window had closed before they came; None if there were none.
        duplicate_count: trades dropped because their id had been seen.
        missing_count: ids that were jumped over.
        warm_up_count: trades from before the stream's first complete window.
    """

    candles: list[Candle] = field(default_factory=list)
    late: TradeBatch | None = None
    duplicate_count: int = 0
    missing_count: int = 0
    warm_up_count: int = 0


class _State(msgspec.Struct, array_like=True):
    window_ms: int
    next_start_ms: int | None = None
    """Start of the oldest window that is not closed; None before the stream has begun."""
    first_start_ms: int = 0
    """Start of the first complete window of the stream."""
    previous_close: float | None = None
    last_trade_id: int = 0
    watermark_ms: int = 0
    windows: list[OpenWindow] = []
    """Windows with trades, in order of time; more than one only while the watermark lags."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


class CandleBuilder:
    """Folds the trades of one product into closed candles.

    A stream may state where it starts (`begin`). One that does not loses its first, incomplete
    window: half a minute would look like a whole one.
    """

    def __init__(self, product_id: str, *, window_ms: int = MINUTE_MS) -> None:
        self.product_id = product_id
        self._state = _State(window_ms=window_ms)

    @classmethod
    def restore(cls, product_id: str, snapshot: bytes, *, window_ms: int = MINUTE_MS) -> Self:
        """Build a folder that goes on where `snapshot` was taken.

        Raises:
            ConfigurationError: the snapshot was taken with windows of another length.
        """
        builder = cls(product_id, window_ms=window_ms)
        builder._state = _decoder.decode(snapshot)
        if builder._state.window_ms != window_ms:
            raise ConfigurationError(
                f"the kept state of {product_id} has windows of {builder._state.window_ms} ms, the "
                f"settings say {window_ms} ms; use another consumer group for another window"
            )
        return builder

    def snapshot(self) -> bytes:
        """Return the state as bytes."""
        return _encoder.encode(self._state)

    @property
    def last_trade_id(self) -> int:
        """The highest trade id folded; 0 before the first."""
        return self._state.last_trade_id

    @property
    def watermark_ms(self) -> int:
        """Up to where the trades are known to be complete."""
        return self._state.watermark_ms

    def begin(self, start_ms: int, *, previous_close: float | None) -> int:
        """State that the stream is complete from `start_ms` on.

        Said again, or of a moment that is folded already, it changes nothing. Said of a later
        moment, the windows in between are given up, because their trades will not come.

        Args:
            start_ms: start of the first complete window (rounded up to one).
            previous_close: price of the last trade before it; None if there never was one.

        Returns:
            The number of windows given up.
        """
        state = self._state
        start_ms = ceil_to_window(start_ms, state.window_ms)
        given_up = 0
        if state.next_start_ms is not None:
            if start_ms <= state.next_start_ms:
                return 0
            given_up = (start_ms - state.next_start_ms) // state.window_ms
        state.next_start_ms = state.first_start_ms = start_ms
        while state.windows and state.windows[0].start_ms < start_ms:
            state.previous_close = state.windows.pop(0).close
        if previous_close is not None:
            state.previous_close = previous_close
        return given_up

    def add(self, batch: TradeBatch, *, watermark_ms: int) -> Folded:
        """Fold trades in the exchange's order, then close what the watermark has passed.

        Args:
            batch: trades of this product; may be empty.
            watermark_ms: all trades with an earlier timestamp are in this or an earlier batch.
        """
        folded = Folded()
        if len(batch) > 0:
            batch = self._without_duplicates(batch, folded)
        if len(batch) > 0:
            self._collect(batch, folded)
        self._state.watermark_ms = max(self._state.watermark_ms, watermark_ms)
        self._close_windows(folded)
        for window in self._state.windows:
            window.compact()
        return folded

    def _without_duplicates(self, batch: TradeBatch, folded: Folded) -> TradeBatch:
        """Drop trades whose id is not above all before it, and count the ids jumped over."""
        last_id = self._state.last_trade_id
        ids = batch.trade_id
        if ids[0] <= last_id or (ids[1:] <= ids[:-1]).any():
            highest_before = np.maximum.accumulate(np.concatenate(([last_id], ids[:-1])))
            is_new = (ids > highest_before) | (ids == 0)
            folded.duplicate_count = len(ids) - int(np.count_nonzero(is_new))
            batch = batch.select(is_new)
            ids = batch.trade_id[batch.trade_id > 0]
        if len(ids) > 0:
            final_id = int(ids[-1])
            expected_id = last_id + 1 if last_id > 0 else int(ids[0])
            folded.missing_count = final_id + 1 - expected_id - len(ids)
            self._state.last_trade_id = final_id
        return batch

    def _collect(self, batch: TradeBatch, folded: Folded) -> None:
        state = self._state
        if state.next_start_ms is None:
            first_ms = int(batch.timestamp_ms[0])
            state.next_start_ms = floor_to_window(first_ms, state.window_ms) + state.window_ms
            state.first_start_ms = state.next_start_ms
        if int(batch.timestamp_ms.min()) < state.next_start_ms:
            is_early = batch.timestamp_ms < state.next_start_ms
            self._set_aside(batch.select(is_early), state.next_start_ms, folded)
            batch = batch.select(~is_early)
        for window in _split_into_windows(batch, state.window_ms):
            self._merge(window)

    def _set_aside(self, early: TradeBatch, next_start_ms: int, folded: Folded) -> None:
        """Deal with trades of windows that are closed, or that came before the stream's start."""
        state = self._state
        is_before_start = early.timestamp_ms < state.first_start_ms
        before_start = early.select(is_before_start)
        folded.warm_up_count = len(before_start)
        if len(before_start) > 0 and next_start_ms == state.first_start_ms:
            state.previous_close = float(before_start.price[-1])
        if len(before_start) < len(early):
            folded.late = early.select(~is_before_start)

    def _merge(self, window: OpenWindow) -> None:
        windows = self._state.windows
        for position in range(len(windows) - 1, -1, -1):
            if windows[position].start_ms == window.start_ms:
                windows[position].merge(window)
                return
            if windows[position].start_ms < window.start_ms:
                windows.insert(position + 1, window)
                return
        windows.insert(0, window)

    def _close_windows(self, folded: Folded) -> None:
        state = self._state
        if state.next_start_ms is None:
            return
        end_ms = floor_to_window(state.watermark_ms, state.window_ms)
        while state.windows and state.windows[0].start_ms < end_ms:
            window = state.windows.pop(0)
            self._close_empty_windows(state.next_start_ms, window.start_ms, folded)
            candle = window.to_candle(self.product_id, state.window_ms)
            folded.candles.append(candle)
            state.previous_close = candle.close
            state.next_start_ms = candle.timestamp_ms
        if end_ms > state.next_start_ms:
            self._close_empty_windows(state.next_start_ms, end_ms, folded)
            state.next_start_ms = end_ms

    def _close_empty_windows(self, start_ms: int, end_ms: int, folded: Folded) -> None:
        """Repeat the previous close; before the very first trade there is nothing to repeat."""
        state = self._state
        if state.previous_close is None:
            return
        folded.candles += [
            flat_candle(self.product_id, window_start_ms, state.window_ms, state.previous_close)
            for window_start_ms in range(start_ms, end_ms, state.window_ms)
        ]


def _split_into_windows(batch: TradeBatch, window_ms: int) -> list[OpenWindow]:
    """Cut a batch at the window boundaries, keeping the exchange's order inside each."""
    if len(batch) == 0:
        return []
    starts = batch.timestamp_ms - batch.timestamp_ms % window_ms
    if (starts[1:] < starts[:-1]).any():
        order = np.argsort(starts, kind="stable")
        batch, starts = batch.select(order), starts[order]
    firsts = np.concatenate(([0], np.flatnonzero(starts[1:] != starts[:-1]) + 1))
    ends = np.append(firsts[1:], len(batch))
    known_ids = np.where(batch.trade_id > 0, batch.trade_id, _NO_ID)
    first_ids = np.minimum.reduceat(known_ids, firsts)
    quantity = batch.quantity
    summed = np.array([quantity, batch.price * quantity, quantity * batch.is_buy])
    values_of_windows = zip(
        starts[firsts].tolist(),
        batch.price[firsts].tolist(),
        np.maximum.reduceat(batch.price, firsts).tolist(),
        np.minimum.reduceat(batch.price, firsts).tolist(),
        batch.price[ends - 1].tolist(),
        (ends - firsts).tolist(),
        np.where(first_ids == _NO_ID, 0, first_ids).tolist(),
        np.maximum.reduceat(batch.trade_id, firsts).tolist(),
        *exact_parts_of_segments(summed, firsts),
        strict=True,
    )
    return [OpenWindow(*values) for values in values_of_windows]
