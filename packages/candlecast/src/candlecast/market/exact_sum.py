"""Sums of doubles without rounding, kept as a few doubles whose exact sum is meant.

Adding trade by trade or all at once, in any split, then gives the same candle to the last bit.
"""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from candlecast.market.trade_batch import Float64Column, Int64Column

_LEVELS = 3
"""Each takes about 40 bits; three hold any mixture of prices and quantities that trades have."""
_MANTISSA_BITS = 53
_WORTHWHILE = 300
"""Up to here adding up costs more than it saves."""


def exact_parts(values: Iterable[float]) -> list[float]:
    """Return a few doubles whose exact sum is the exact sum of all values.

    `math.fsum` rounds the exact sum once; what the rounding left is exact again, and so on until
    nothing is left (Shewchuk 1997, "Adaptive precision floating-point arithmetic").
    """
    remaining = list(values)
    parts: list[float] = []
    while (part := math.fsum(remaining)) != 0.0:
        parts.append(part)
        remaining.append(-part)
    return parts


def exact_parts_of_segments(
    columns: npt.NDArray[np.float64], firsts: Int64Column
) -> list[list[list[float]]]:
    """Return, of each column's segments, doubles whose exact sum is the exact sum of the segment.

    Adding a large number and taking it away again rounds all values to multiples of one unit, so
    coarse that their plain sum is exact; what is left goes the same way with a finer unit (Rump,
    Ogita and Oishi 2008, "Accurate floating-point summation", algorithm ExtractVector).

    Args:
        columns: a row for each; values are finite, none is below zero, and there is at least one.
        firsts: where the segments begin; the first is 0, and none is empty.
    """
    size = columns.shape[1]
    if size <= _WORTHWHILE:
        return [_cut(column, firsts) for column in columns]
    headroom_bits = (size + 2).bit_length()
    exponent = math.frexp(float(columns.max()))[1] + headroom_bits
    remaining = columns
    levels = []
    for _ in range(_LEVELS):
        unit = math.ldexp(1.0, exponent)
        multiples = (remaining + unit) - unit
        remaining = remaining - multiples
        levels.append(np.add.reduceat(multiples, firsts, axis=1))
        exponent += headroom_bits - _MANTISSA_BITS
    parts: list[list[list[float]]] = np.stack(levels, axis=2).tolist()
    for column_parts, rest in zip(parts, remaining, strict=True):
        if rest.any():
            for segment_parts, segment_rest in zip(column_parts, _cut(rest, firsts), strict=True):
                segment_parts.extend(segment_rest)
    return parts


def _cut(values: Float64Column, firsts: Int64Column) -> list[list[float]]:
    plain = values.tolist()
    bounds = [*firsts.tolist(), len(plain)]
    return [plain[first:end] for first, end in itertools.pairwise(bounds)]
