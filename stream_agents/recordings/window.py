"""The samples of a stretch of a recording, put together from its chunks."""

from collections.abc import Iterable, Sequence

import numpy as np

from shared.chunk import Chunk
from shared.ecg import Lead

Range = tuple[int, int]


def uncovered(chunks: Iterable[Chunk], ranges: Iterable[Range]) -> list[Range]:
    """Return the parts of ranges of samples that none of the chunks has, ascending."""
    ordered = sorted(chunks, key=lambda chunk: chunk.first_sample)
    found = []
    for first, end in ranges:
        position = first
        for chunk in ordered:
            if chunk.first_sample >= end:
                break
            if chunk.first_sample > position:
                found.append((position, chunk.first_sample))
            position = max(position, chunk.first_sample + chunk.count)
        if position < end:
            found.append((position, end))
    return found


def cut(leads: Sequence[Lead], chunks: Sequence[Chunk], there: range) -> tuple[Lead, ...]:
    """Return the leads of a recording in a stretch, with signals of shape (len(there),); what is absent is missing.

    Args:
        leads: names and gains.
        chunks: with samples of these leads.
        there: the samples.
    """
    inside = [
        chunk for chunk in chunks if chunk.first_sample < there.stop and chunk.first_sample + chunk.count > there.start
    ]
    absent = [(first - there.start, end - first) for first, end in uncovered(inside, [(there.start, there.stop)])]
    return tuple(_lead(lead, index, inside, there, absent) for index, lead in enumerate(leads))


def _lead(of: Lead, index: int, chunks: Sequence[Chunk], there: range, absent: Sequence[Range]) -> Lead:
    signals = [chunk.leads[index].signal for chunk in chunks]
    whole = np.zeros(len(there), np.result_type(np.int8, *signals))
    missing = list(absent)
    for chunk, signal in zip(chunks, signals, strict=True):
        first = chunk.first_sample - there.start
        begin, end = max(first, 0), min(first + signal.size, len(there))
        whole[begin:end] = signal[begin - first : end - first]
        for at, count in chunk.leads[index].missing:
            start, stop = max(first + at, 0), min(first + at + count, len(there))
            if start < stop:
                missing.append((start, stop - start))
    return Lead(of.name, whole, of.adc_gain, _joined(missing))


def _joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges `(first, count)` in order, those that touch or overlap as one."""
    joined: list[list[int]] = []
    for first, count in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], first + count)
        else:
            joined.append([first, first + count])
    return tuple((first, end - first) for first, end in joined)
