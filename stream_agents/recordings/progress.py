"""The progress of a recording: the samples that have arrived, the gaps, and the zero crossings so far.

Chunks may arrive in any order: crossings are counted within each chunk and at its borders. At a border, the signs of
the neighbouring samples are enough, and each run keeps those of its ends.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from shared.chunk import Chunk
from shared.ecg import Signal
from shared.errors import InvalidEcg
from shared.messages.recordings import MAX_RUNS, Progress, Run
from shared.ranges import Range, outside
from stream_agents.insights.zero_crossings import count_zero_crossings

_LATEST_REFUSALS = 10


def fresh(progress: Progress, first: int, end: int) -> list[Range]:
    """Return the parts of `[first, end)` that have not arrived yet, ascending."""
    return outside(overlapping(progress, first, end), first, end)


def overlapping(progress: Progress, first: int, end: int) -> list[Range]:
    """Return the parts of `[first, end)` that have arrived, ascending."""
    begin = bisect_left(progress.runs, first + 1, key=lambda run: run.end)
    found = []
    for run in progress.runs[begin:]:
        if run.first >= end:
            break
        found.append((max(first, run.first), min(end, run.end)))
    return found


def with_samples(progress: Progress, chunk: Chunk, at: int) -> Progress:
    """Return the progress with the new samples of a chunk.

    Args:
        progress: the progress before the chunk.
        chunk: the chunk; samples of it that arrived earlier must be equal to the earlier ones.
        at: the time of its arrival, in milliseconds of Unix time by the broker's clock.

    Raises:
        InvalidEcg: if the recording would have too many runs.
    """
    runs, crossings = list(progress.runs), list(progress.crossings) or [0] * len(chunk.leads)
    pieces = fresh(progress, chunk.first_sample, chunk.first_sample + chunk.count)
    for first, end in pieces:
        signals = [lead.signal[first - chunk.first_sample : end - chunk.first_sample] for lead in chunk.leads]
        crossings = _added(crossings, count_zero_crossings(signals))
        run = Run(first, end, at, _signs(signals, 0), _signs(signals, -1))
        place = bisect_left(runs, first, key=lambda run: run.first)
        if place < len(runs) and runs[place].first == end:
            behind = runs.pop(place)
            crossings = _added(crossings, _between(run.closes, behind.opens))
            run = Run(first, behind.end, min(at, behind.since), run.opens, behind.closes)
        if place and runs[place - 1].end == first:
            place -= 1
            before = runs.pop(place)
            crossings = _added(crossings, _between(before.closes, run.opens))
            run = Run(before.first, run.end, min(before.since, run.since), before.opens, run.closes)
        runs.insert(place, run)
    if len(runs) > MAX_RUNS:
        raise InvalidEcg(
            "first_sample", f"leaves another hole: a recording may have {MAX_RUNS - 1} at a time, send missing chunks"
        )
    late = any(first < progress.settled for first, _ in pieces)
    return msgspec.structs.replace(progress, runs=runs, crossings=crossings, revision=progress.revision + late)


def settled(progress: Progress, at: int, patience: float) -> Progress:
    """Return the progress after holes that were waited for too long have become gaps.

    Args:
        progress: the progress of the recording.
        at: the time of its latest message, in milliseconds of Unix time by the broker's clock.
        patience: the seconds to wait for the samples of a hole after later ones have arrived.
    """
    position = progress.settled
    if progress.total is not None:
        position = progress.total
    else:
        for run in progress.runs:
            if run.first > position and at - run.since <= patience * 1000:
                break
            position = max(position, run.end)
    return msgspec.structs.replace(progress, settled=position) if position != progress.settled else progress


def ended(progress: Progress, total: int) -> Progress:
    """Return the progress of a recording that has ended after `total` samples.

    Raises:
        InvalidEcg: if samples beyond the end have arrived, or an earlier message gave another end.
    """
    if progress.total not in (None, total):
        raise InvalidEcg("first_sample", f"must be the end that was given before, {progress.total}")
    if progress.end > total:
        raise InvalidEcg("first_sample", f"must not be less than the number of samples so far, {progress.end}")
    return msgspec.structs.replace(progress, total=total)


def refused(progress: Progress, reason: str) -> Progress:
    """Return the progress with another message that was refused."""
    latest = [*progress.refusals, reason][-_LATEST_REFUSALS:]
    return msgspec.structs.replace(progress, refused=progress.refused + 1, refusals=latest)


def _signs(signals: Iterable[Signal], index: int) -> str:
    return "".join("+" if signal[index] > 0 else "-" if signal[index] < 0 else "0" for signal in signals)


def _between(before: str, after: str) -> list[int]:
    """Return 1 for each lead with a crossing between neighbouring samples, given by their signs, and 0 for others."""
    return [int(left not in ("0", right)) for left, right in zip(before, after, strict=True)]


def _added(counts: Sequence[int], more: Sequence[int]) -> list[int]:
    return [count + other for count, other in zip(counts, more, strict=True)]
