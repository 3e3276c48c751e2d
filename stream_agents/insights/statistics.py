"""Statistics of short arrays: the overhead of NumPy's and SciPy's own functions is many times the computation."""

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.ndimage import uniform_filter1d

from stream_agents.insights.recording import Samples


def median(values: Samples) -> Samples:
    """Return the median over the last axis, which must not be empty; no value may be NaN."""
    size = values.shape[-1]
    ordered = values.copy()
    ordered.partition((size // 2,) if size % 2 else (size // 2 - 1, size // 2), axis=-1)
    if size % 2:
        return np.asarray(ordered[..., size // 2])
    return np.asarray(0.5 * (ordered[..., size // 2 - 1] + ordered[..., size // 2]))


def median_over_beats(values: Samples) -> Samples:
    """Return the median over the middle axis of values of shape (leads, beats, n).

    Beats are sorted by exchanges of whole rows: several times as fast as each sample's few values one by one.
    """
    size = values.shape[1]
    rows = [values[:, index] for index in range(size)]
    for low, high, keep_low, keep_high in _exchanges(size):
        one, other = rows[low], rows[high]
        if keep_low:
            rows[low] = np.minimum(one, other)
        if keep_high:
            rows[high] = np.maximum(one, other)
    return np.asarray(0.5 * (rows[(size - 1) // 2] + rows[size // 2]))


@lru_cache(maxsize=64)
def _exchanges(size: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Return the exchanges of Batcher's odd-even merge sort, and which of both results the median depends on.

    Batcher KE (1968), "Sorting networks and their applications", AFIPS Spring Joint Computer Conference 32: 307-314.
    """
    pairs = []
    merged = 1
    while merged < size:
        step = merged
        while step:
            for first in range(step % merged, size - step, 2 * step):
                for low in range(first, min(first + step, size - step)):
                    if low // (2 * merged) == (low + step) // (2 * merged):
                        pairs.append((low, low + step))
            step //= 2
        merged *= 2
    needed = {(size - 1) // 2, size // 2}
    found = []
    for low, high in reversed(pairs):
        if low in needed or high in needed:
            found.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(found))


def moving_mean(values: Samples, width: int, beyond: Literal["constant", "nearest", "reflect"] = "constant") -> Samples:
    """Return the moving average over the last axis; `beyond` is what the ends continue with, zeros by default."""
    found = np.empty_like(values)
    # With a name instead of an array, SciPy takes longer to find the type than to compute.
    uniform_filter1d(values, width, axis=-1, output=found, mode=beyond)
    return found


def quartiles(values: Samples) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile of an array of shape (n,), linear between values."""
    ordered = sorted(values.tolist())

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))

    return at(0.25), at(0.5), at(0.75)
