"""Statistics over the rounds of a benchmark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """A median over rounds, and how far they spread."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one round."""
    return Spread(median(values), min(values), max(values))


def ratios(values: Sequence[float], to: Sequence[float]) -> Spread:
    """Return the spread of the ratios, each within its own round: what slows a whole round down cancels out.

    The ratio to nothing is infinite.
    """
    return spread([a / b if b else math.inf for a, b in zip(values, to, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least of the values that so many percent of them do not exceed (nearest rank); NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Return by how much the values grow in a unit of time (least squares)."""
    return float(np.polyfit(times, values, 1)[0])
