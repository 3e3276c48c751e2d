"""Ranges of samples, each given by its first sample and the sample after its last one."""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]


def within(ranges: Sequence[Range], first: int, end: int) -> list[Range]:
    """Return the parts of `[first, end)` that are in one of the ranges, which are ascending and apart."""
    begin = bisect_right(ranges, first, key=lambda range_: range_[1])
    cut = itertools.takewhile(lambda range_: range_[0] < end, itertools.islice(ranges, begin, None))
    return [(max(first, begin), min(end, stop)) for begin, stop in cut]


def outside(ranges: Iterable[Range], first: int, end: int) -> list[Range]:
    """Return the parts of `[first, end)` that are in none of the ranges, which are ascending and may overlap."""
    found, position = [], first
    for begin, stop in ranges:
        if begin >= end:
            break
        if begin > position:
            found.append((position, begin))
        position = max(position, stop)
    if position < end:
        found.append((position, end))
    return found


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges in ascending order; ranges that touch or overlap become one."""
    found: list[Range] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((first, end))
    return found
