"""The samples of a recording that are in memory: those of some of its chunks, put together."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from shared import ecg
from shared.chunk import Chunk
from shared.ecg import Lead
from shared.ranges import Range, joined, outside


class Samples:
    """The samples of chunks of a recording; all chunks have its leads.

    Args:
        chunks: chunks in any order. Where they overlap, their samples are equal.
        read: the ranges of samples that were looked for on the topic, ascending and apart. Samples in them that no
            chunk has are no longer kept.
    """

    def __init__(self, chunks: Iterable[Chunk], read: Sequence[Range] = ()) -> None:
        self._chunks = sorted(chunks, key=lambda chunk: chunk.first_sample)
        self._firsts = [chunk.first_sample for chunk in self._chunks]
        self._reach = list(accumulate((chunk.first_sample + chunk.count for chunk in self._chunks), max))
        self._read = read

    def absent(self, first: int, end: int) -> list[Range]:
        """Return the parts of `[first, end)` that no chunk has, ascending."""
        chunks = self._chunks[bisect_right(self._reach, first) : bisect_left(self._firsts, end)]
        return outside(((chunk.first_sample, chunk.first_sample + chunk.count) for chunk in chunks), first, end)

    def unread(self, ranges: Iterable[Range]) -> list[Range]:
        """Return the parts of ranges of samples that no chunk has and that were not looked for, ascending."""
        return [
            part
            for first, end in ranges
            for begin, stop in self.absent(first, end)
            for part in outside(self._read, begin, stop)
        ]

    def cut(self, leads: Sequence[Lead], there: range) -> tuple[Lead, ...]:
        """Return the leads in a range, with signals of shape (len(there),). Absent samples are 0, and in `missing`.

        Args:
            leads: the leads with their names and gains; their signals are ignored.
            there: the range of samples.
        """
        near = self._chunks[bisect_right(self._reach, there.start) : bisect_left(self._firsts, there.stop)]
        inside = [chunk for chunk in near if chunk.first_sample + chunk.count > there.start]
        absent = self.absent(there.start, there.stop)
        return tuple(_lead(lead, index, inside, there, absent) for index, lead in enumerate(leads))


def _lead(of: Lead, index: int, chunks: Sequence[Chunk], there: range, absent: Sequence[Range]) -> Lead:
    whole = np.zeros(len(there), np.result_type(np.int8, *(chunk.leads[index].signal for chunk in chunks)))
    missing = list(absent)
    for chunk in chunks:
        begin = max(chunk.first_sample, there.start)
        part = ecg.cut(
            chunk.leads[index], range(begin - chunk.first_sample, min(chunk.count, there.stop - chunk.first_sample))
        )
        whole[begin - there.start :][: part.signal.size] = part.signal
        missing += [(begin + at, begin + at + count) for at, count in part.missing]
    relative = tuple((first - there.start, end - first) for first, end in joined(missing))
    return Lead(of.name, whole, of.adc_gain, relative)
