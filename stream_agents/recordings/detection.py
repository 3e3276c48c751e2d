"""The beats of a recording as its samples come: which segments can be computed, and which must be computed again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import msgspec

from shared.ecg import Lead
from shared.messages.beats import Minute, Segment
from shared.messages.recordings import Progress
from shared.ranges import Range, joined
from stream_agents.recordings.minutes import SEGMENTS, Totals, fold, minute, segments_of
from stream_agents.recordings.progress import overlapping
from stream_agents.recordings.segments import PAST, REACH, bounds, detect, segment_of, window


class Detector(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the beats of a recording are found.

    Attributes:
        segments: those before this number are computed, but for those without a sample.
        recent: the last of them, as far back as they have a say in the next one.
        totals: of all of them.
    """

    segments: int = 0
    recent: tuple[Segment, ...] = ()
    totals: Totals = Totals()


class Found(msgspec.Struct, frozen=True):
    """A detector after a chunk, and the minutes that are new or have changed."""

    detector: Detector
    minutes: tuple[Minute, ...]


class Work(NamedTuple):
    """The segments to compute after a chunk: those that were computed without its samples, and those that are due."""

    late: list[int]
    due: list[int]


def work(detector: Detector, progress: Progress, rate: float, pieces: Iterable[Range]) -> Work:
    """Return what is to be computed once some pieces of a recording have come, at a sampling rate in Hz."""
    return Work(_touched(detector, pieces, rate), list(_due(detector, progress, rate)))


def needed(numbers: Iterable[int], progress: Progress, rate: float) -> list[Range]:
    """Return the samples that have come of the windows of some segments, as ranges."""
    windows = (window(number, rate) for number in numbers)
    return joined(there for each in windows for there in overlapping(progress, each.start, each.stop))


def found(
    detector: Detector,
    todo: Work,
    progress: Progress,
    rate: float,
    *,
    samples: Callable[[range], Sequence[Lead]],
    minutes: Iterable[Minute],
) -> Found:
    """Return the detector after its work.

    Args:
        detector: before it.
        todo: the work.
        progress: of the recording.
        rate: its sampling rate in Hz.
        samples: returns the leads in a range of samples.
        minutes: all of the recording so far, if something is late.
    """
    signal = _Signal(progress, rate, samples)
    changed: dict[int, Minute] = {}
    if todo.late:
        detector, again = _revised(detector, todo.late, signal, minutes)
        changed |= again
    detector, new = _advanced(detector, todo.due, signal)
    return Found(detector, tuple((changed | new).values()))


class _Signal(NamedTuple):
    progress: Progress
    rate: float
    samples: Callable[[range], Sequence[Lead]]

    def segment(self, number: int, past: Sequence[Segment]) -> Segment:
        there = window(number, self.rate)
        there = range(there.start, min(there.stop, self.progress.end))
        return detect(self.samples(there), there.start, self.rate, number, past)

    def number(self, segment: Segment) -> int:
        return segment_of(segment.first, self.rate)


def _advanced(detector: Detector, numbers: Sequence[int], signal: _Signal) -> tuple[Detector, dict[int, Minute]]:
    """Return the detector after segments that are due, and the minutes that they change."""
    recent, totals = detector.recent, detector.totals
    changed: dict[int, Minute] = {}
    for number in numbers:
        past = tuple(segment for segment in recent if number - PAST <= signal.number(segment))
        segment = signal.segment(number, past)
        totals = fold(totals, segment)
        recent = (*past, segment)
        index = number // SEGMENTS
        changed[index] = minute(index, (of for of in recent if signal.number(of) // SEGMENTS == index), signal.rate)
    done = numbers[-1] + 1 if numbers else detector.segments
    return Detector(_skipped(done, signal.progress, signal.rate), recent, totals), changed


def _revised(
    detector: Detector, numbers: Sequence[int], signal: _Signal, minutes: Iterable[Minute]
) -> tuple[Detector, dict[int, Minute]]:
    """Return the detector after segments have been computed again, and the minutes that they change."""
    found = ((signal.number(segment), segment) for segment in segments_of(minutes))
    # A worker that died may have written the minutes of later records, and not the row with the detector after them.
    segments = {number: segment for number, segment in found if number < detector.segments}
    for number in numbers:
        there = window(number, signal.rate)
        if overlapping(signal.progress, there.start, there.stop):
            past = [segments[n] for n in range(number - PAST, number) if n in segments]
            segments[number] = signal.segment(number, past)
    totals = reduce(fold, (segments[number] for number in sorted(segments)), Totals())
    recent = tuple(segments[n] for n in range(detector.segments - PAST, detector.segments) if n in segments)
    changed = {}
    for index in {number // SEGMENTS for number in numbers if number in segments}:
        of_minute = range(index * SEGMENTS, (index + 1) * SEGMENTS)
        changed[index] = minute(index, (segments[n] for n in of_minute if n in segments), signal.rate)
    return Detector(detector.segments, recent, totals), changed


def _touched(detector: Detector, pieces: Iterable[Range], rate: float) -> list[int]:
    """Return the segments that were computed without the samples of some pieces, ascending."""
    touched: set[int] = set()
    for first, end in pieces:
        lowest, highest = segment_of(first, rate), segment_of(end - 1, rate)
        lowest -= lowest > 0 and window(lowest - 1, rate).stop > first
        highest += window(highest + 1, rate).start < end
        touched |= set(range(lowest, min(highest + REACH + 1, detector.segments)))
    return sorted(touched)


def _due(detector: Detector, progress: Progress, rate: float) -> Iterator[int]:
    is_final = progress.total is not None
    number = detector.segments
    while True:
        number = _skipped(number, progress, rate)
        inner, there = bounds(number, rate), window(number, rate)
        if not (there.stop <= progress.settled or (is_final and inner.start < progress.end)):
            return
        if not overlapping(progress, there.start, there.stop):
            return
        yield number
        number += 1


def _skipped(number: int, progress: Progress, rate: float) -> int:
    """Return the first segment from a number on whose window has samples, or the number if there is none."""
    there = window(number, rate)
    if overlapping(progress, there.start, there.stop):
        return number
    behind = next((run.first for run in progress.runs if run.first >= there.stop), None)
    if behind is None or behind > progress.settled:
        return number
    found = segment_of(behind, rate)
    return found - (found > 0 and window(found - 1, rate).stop > behind)
