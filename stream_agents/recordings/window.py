"""The samples of a stretch of a recording, put together from its chunks."""

from collections.abc import Iterable, Sequence

import numpy as np

from shared import ecg
from shared.chunk import Chunk
from shared.ecg import Lead
from shared.ranges import Range, joined, outside


def uncovered(chunks: Iterable[Chunk], ranges: Sequence[Range]) -> list[Range]:
    """Return the parts of ranges of samples that none of the chunks has, ascending."""
    # Most chunks of a live recording need no earlier samples.
    known = sorted((chunk.first_sample, chunk.first_sample + chunk.count) for chunk in chunks) if ranges else []
    return [part for first, end in ranges for part in outside(known, first, end)]


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
    absent = uncovered(inside, [(there.start, there.stop)])
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
