"""Statistics over the rounds of a benchmark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over rounds, with the least and the most."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of the values of all rounds, of NaN if there are none."""
    return Spread(median(values), min(values), max(values)) if values else Spread(math.nan, math.nan, math.nan)


def ratios(values: Sequence[float], to: Sequence[float]) -> Spread:
    """Return the spread of the ratios, each within its round, so that the effect of a slow round cancels out.

    A ratio to zero is infinite. If one of the two was not measured, the spread is of NaN.
    """
    if not values or not to:
        return spread([])
    return spread([a / b if b else math.inf for a, b in zip(values, to, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest-rank method, or NaN if there are no values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the growth of the values per unit of time (least squares)."""
    return float(np.polyfit(times, values, 1)[0])
