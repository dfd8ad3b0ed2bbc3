"""What a benchmark found: figures with all their values, what was aimed at, whether it was met."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np


class Statistic(StrEnum):
    """The one number of a figure that a target is about."""

    MEDIAN = "median"
    P99 = "p99"
    HIGHEST = "highest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A promise about a figure.

    Attributes:
        limit: in the figure's unit.
        is_minimum: whether the figure has to reach the limit, rather than stay below it.
        statistic: which number of the figure is compared.
        fewest_values: with fewer values the figure proves nothing, and the target is not met.
    """

    limit: float
    is_minimum: bool
    statistic: Statistic
    fewest_values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured quantity.

    Attributes:
        name: for people.
        unit: of the values: "trades/s", "ms", "x" for ratios, ...
        values: every repetition, or every sample, in the order measured.
        target: what was aimed at, if anything.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    target: Target | None = None

    def __post_init__(self) -> None:
        if not self.values or not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"{self.name}: no values, or one that is not a number")

    def statistic(self, statistic: Statistic) -> float:
        """One number for all values; p99 is a value that was measured (nearest rank)."""
        if statistic is Statistic.MEDIAN:
            return float(np.median(self.values))
        if statistic is Statistic.P99:
            return float(np.quantile(self.values, 0.99, method="inverted_cdf"))
        return max(self.values)

    @property
    def is_target_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        target = self.target
        if target is None:
            return None
        if len(self.values) < target.fewest_values:
            return False
        value = self.statistic(target.statistic)
        return value >= target.limit if target.is_minimum else value <= target.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Figures that belong together.

    Attributes:
        title: for people.
        remarks: how they were measured, what was left out.
        figures: in the order to be shown.
    """

    title: str
    figures: tuple[Figure, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one benchmark found."""

    benchmark: str
    sections: tuple[Section, ...] = field(default=())

    @property
    def missed(self) -> list[Figure]:
        """The figures whose target is not met."""
        figures = (figure for section in self.sections for figure in section.figures)
        return [figure for figure in figures if figure.is_target_met is False]


def ratios(of: Sequence[float], to: Sequence[float]) -> tuple[float, ...]:
    """Divide round by round: both sides of a ratio were measured within the same minute."""
    return tuple(value / base for value, base in zip(of, to, strict=True))
