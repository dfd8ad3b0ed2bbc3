"""Whether a range of stored candles is complete, and equal to the exchange's own candles.

Pure: rows and reference come in as values, the findings go out as one. Nothing is forgiven:
every minute must be there once, counts must be equal, and every other compared number must agree
to 1e-12, which is the noise of adding doubles in another order and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from candlecast.errors import InvalidMessageError
from candlecast.market.candle import Candle
from candlecast.market.time_grid import MINUTE_MS, ceil_to_window, floor_to_window
from candlecast.store.feature_group import PRODUCT_ID, TIMESTAMP_MS
from candlecast.store.feature_rows import FeatureRows

RELATIVE_TOLERANCE = 1e-12
MAXIMUM_EXAMPLES = 10

_ALWAYS_COMPARED = ("open", "high", "low", "close", "volume", "trade_count")
_COMPARED_WHEN_GIVEN = ("vwap", "buy_volume")

_Mask = npt.NDArray[np.bool_]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCandles:
    """Candles to compare with, in columns.

    Attributes:
        start_ms: the windows' starts, each once, in any order.
        values: open, high, low, close, volume, trade_count; vwap and buy_volume if the source
            gives them unrounded.
    """

    start_ms: _Integers
    values: Mapping[str, npt.NDArray[Any]]

    def __post_init__(self) -> None:
        """Refuse a reference that cannot be compared with.

        Raises:
            InvalidMessageError: a column is missing, unknown or of another length, or a window is
                there twice.
        """
        missing = sorted(set(_ALWAYS_COMPARED) - self.values.keys())
        unknown = sorted(self.values.keys() - {*_ALWAYS_COMPARED, *_COMPARED_WHEN_GIVEN})
        if missing or unknown:
            raise InvalidMessageError(
                f"reference candles: columns missing: {missing}, columns unknown: {unknown}"
            )
        if any(len(column) != len(self.start_ms) for column in self.values.values()):
            raise InvalidMessageError("reference candles: columns of unequal length")
        if len(np.unique(self.start_ms)) != len(self.start_ms):
            raise InvalidMessageError("reference candles: a window is there twice")

    @classmethod
    def from_candles(
        cls, candles: Sequence[Candle], *, has_vwap: bool = True, has_buy_volume: bool = True
    ) -> Self:
        """Build a reference; say which of the optional numbers the source really gave."""
        names = list(_ALWAYS_COMPARED)
        names += ["vwap"] if has_vwap else []
        names += ["buy_volume"] if has_buy_volume else []
        return cls(
            np.array([candle.start_ms for candle in candles], dtype=np.int64),
            {name: np.array([getattr(candle, name) for candle in candles]) for name in names},
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not the reference's."""

    start_ms: int
    column: str
    stored: float
    reference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletenessReport:
    """What was found in a range of one product.

    Attributes:
        start_ms, end_ms: windows that start in [start_ms, end_ms) were checked.
        expected_minutes: windows that should be there.
        present_minutes: expected windows that are there, once or more often.
        missing_minutes, duplicate_minutes: expected windows without a row; with several.
        misaligned_rows: rows off the grid, or whose start and end are not one window apart.
        different_minutes: windows with at least one number that is not the reference's.
        verified_minutes: present windows that were compared with the reference.
        missing_examples, duplicate_examples: starts of the first few windows.
        misaligned_examples: timestamp_ms of the first few rows.
        different_examples: the first few numbers.
    """

    start_ms: int
    end_ms: int
    expected_minutes: int
    present_minutes: int
    missing_minutes: int
    duplicate_minutes: int
    misaligned_rows: int
    different_minutes: int
    verified_minutes: int
    missing_examples: tuple[int, ...]
    duplicate_examples: tuple[int, ...]
    misaligned_examples: tuple[int, ...]
    different_examples: tuple[Difference, ...]

    @property
    def presence_only_minutes(self) -> int:
        """Present windows the reference says nothing about."""
        return self.present_minutes - self.verified_minutes

    @property
    def is_clean(self) -> bool:
        """Whether something was checked and nothing is wrong with it."""
        faults = (
            self.missing_minutes
            + self.duplicate_minutes
            + self.misaligned_rows
            + self.different_minutes
        )
        return self.expected_minutes > 0 and faults == 0


def timestamps_of_windows(
    start_ms: int, end_ms: int, window_ms: int = MINUTE_MS
) -> tuple[int, int]:
    """Return the range of timestamp_ms to read for the windows that start in [start_ms, end_ms).

    A candle's timestamp_ms is the end of its window, so the range to read is one window later.
    """
    return start_ms + window_ms, end_ms + window_ms


def check_completeness(
    rows: FeatureRows,
    start_ms: int,
    end_ms: int,
    *,
    reference: ReferenceCandles | None = None,
    window_ms: int = MINUTE_MS,
) -> CompletenessReport:
    """Check that the windows that lie wholly in [start_ms, end_ms) are stored once, and right.

    Args:
        rows: candles of one product, at least those of `timestamps_of_windows`; others are ignored.
        start_ms: beginning of the range.
        end_ms: end of the range.
        reference: the exchange's candles, of any part of the range.
        window_ms: length of a candle.

    Raises:
        InvalidMessageError: the rows are of several products.
    """
    if len(set(rows[PRODUCT_ID].tolist())) > 1:
        raise InvalidMessageError("rows of several products cannot be checked together")
    first_ms, after_last_ms = (
        ceil_to_window(start_ms, window_ms),
        floor_to_window(end_ms, window_ms),
    )
    expected_ms = np.arange(first_ms, after_last_ms, window_ms, dtype=np.int64)
    window_starts_ms = rows[TIMESTAMP_MS] - window_ms
    under_check = rows.select((window_starts_ms >= first_ms) & (window_starts_ms < after_last_ms))
    is_aligned = _is_aligned(under_check, window_ms)
    aligned = under_check.select(is_aligned)
    row_counts = np.bincount(
        (aligned["start_ms"] - first_ms) // window_ms, minlength=len(expected_ms)
    )
    missing_ms, duplicate_ms = expected_ms[row_counts == 0], expected_ms[row_counts > 1]
    misaligned_ms = under_check[TIMESTAMP_MS][~is_aligned]
    comparison = _compare(aligned, reference)
    return CompletenessReport(
        start_ms=start_ms,
        end_ms=end_ms,
        expected_minutes=len(expected_ms),
        present_minutes=len(expected_ms) - len(missing_ms),
        missing_minutes=len(missing_ms),
        duplicate_minutes=len(duplicate_ms),
        misaligned_rows=len(misaligned_ms),
        different_minutes=comparison.different_minutes,
        verified_minutes=comparison.verified_minutes,
        missing_examples=_first(missing_ms),
        duplicate_examples=_first(duplicate_ms),
        misaligned_examples=_first(misaligned_ms),
        different_examples=comparison.examples,
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    verified_minutes: int
    different_minutes: int
    examples: tuple[Difference, ...]


def _is_aligned(rows: FeatureRows, window_ms: int) -> _Mask:
    is_on_grid = rows[TIMESTAMP_MS] % window_ms == 0
    aligned: _Mask = is_on_grid & (rows[TIMESTAMP_MS] - rows["start_ms"] == window_ms)
    return aligned


def _compare(rows: FeatureRows, reference: ReferenceCandles | None) -> _Comparison:
    if reference is None or len(reference.start_ms) == 0:
        return _Comparison(0, 0, ())
    order = np.argsort(reference.start_ms)
    sorted_starts_ms = reference.start_ms[order]
    places = np.searchsorted(sorted_starts_ms, rows["start_ms"]).clip(max=len(order) - 1)
    has_reference = sorted_starts_ms[places] == rows["start_ms"]
    compared = rows.select(has_reference)
    reference_rows = order[places[has_reference]]
    differs = {
        name: ~_agree(compared[name], values[reference_rows])
        for name, values in reference.values.items()
    }
    differs_anywhere = np.logical_or.reduce(list(differs.values()))
    examples = [
        Difference(
            start_ms=int(compared["start_ms"][row]),
            column=name,
            stored=compared[name][row].item(),
            reference=reference.values[name][reference_rows[row]].item(),
        )
        for row in np.flatnonzero(differs_anywhere)[:MAXIMUM_EXAMPLES]
        for name, mask in differs.items()
        if mask[row]
    ]
    return _Comparison(
        verified_minutes=len(np.unique(compared["start_ms"])),
        different_minutes=len(np.unique(compared["start_ms"][differs_anywhere])),
        examples=tuple(examples[:MAXIMUM_EXAMPLES]),
    )


def _agree(stored: npt.NDArray[Any], reference: npt.NDArray[Any]) -> _Mask:
    """Tell which numbers agree; counts must be equal, and nothing agrees with NaN."""
    if stored.dtype.kind == "i":
        equal: _Mask = stored == reference
        return equal
    scale = np.maximum(np.abs(stored), np.abs(reference))
    agree: _Mask = np.abs(stored - reference) <= RELATIVE_TOLERANCE * scale
    return agree


def _first(moments_ms: _Integers) -> tuple[int, ...]:
    return tuple(moments_ms[:MAXIMUM_EXAMPLES].tolist())
