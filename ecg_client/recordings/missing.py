"""Ranges of missing samples: `(first, count)` each, ascending, with samples between them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ranges = tuple[tuple[int, int], ...]


def ranges_of(missing: NDArray[np.bool_]) -> Ranges:
    """Return the ranges of a mask, shape (n,), that is True where a sample is missing."""
    if not missing.any():
        return ()
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False)).tolist()
    return tuple((first, end - first) for first, end in zip(edges[::2], edges[1::2], strict=True))


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return ascending ranges with adjacent ones merged."""
    result: list[tuple[int, int]] = []
    for first, count in ranges:
        if result and sum(result[-1]) == first:
            result[-1] = (result[-1][0], result[-1][1] + count)
        elif count:
            result.append((first, count))
    return tuple(result)


def count(ranges: Ranges) -> int:
    """Return the number of missing samples."""
    return sum(length for _, length in ranges)
