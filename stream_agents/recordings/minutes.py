"""What the beats of a long or live recording say: by minute, and in total.

Rates are those of the insight `rhythm`: 60 s by the mean of RR intervals, of which those across a gap do not count.
The least and the most are over eight successive intervals each, so that neither an extrasystole nor the pause after it
is a rate; Holter recorders average over 4 to 16. All sums are of whole samples: the same segments give the same
figures, whether they are added as they come or all anew.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Final

import msgspec

from shared.messages.beats import Minute, Pause, Segment, Summary
from stream_agents.recordings.segments import SEGMENT_SECONDS

INTERVALS: Final = 8
"""As many successive RR intervals make a rate."""
SEGMENTS: Final = 6
"""The segments of a minute."""


class Totals(msgspec.Struct, frozen=True):
    """The beats of all segments so far, added in order, in samples. Its size is bounded.

    Attributes:
        end: the sample after the last segment that was added.
        since: the begin of the present pause: the last beat, or where the signal begins.
        number_of_beats: found.
        recent: the last beats since a gap, nine at most.
        intervals: the number of RR intervals.
        length: their sum.
        shortest: the shortest sum of eight successive RR intervals, or 0 if there are no eight.
        longest: the longest one.
        pause: first sample and length of the longest pause, the first of several.
    """

    end: int = 0
    since: int = 0
    number_of_beats: int = 0
    recent: tuple[int, ...] = ()
    intervals: int = 0
    length: int = 0
    shortest: int = 0
    longest: int = 0
    pause: tuple[int, int] = (0, 0)


def fold(totals: Totals, segment: Segment) -> Totals:
    """Return the totals with another segment. Samples between the last one and this one are a gap.

    Raises:
        ValueError: if the segment is not after those that were added.
    """
    if segment.first < totals.end:
        raise ValueError(f"a segment from {segment.first} on after one up to {totals.end}")
    state = _State(totals)
    if segment.first > totals.end:
        state.gap(totals.end, segment.first)
    gaps = list(segment.gaps)
    for beat in segment.beats:
        while gaps and gaps[0][0] <= beat:
            first, count = gaps.pop(0)
            state.gap(first, first + count)
        state.beat(beat)
    for first, count in gaps:
        state.gap(first, first + count)
    state.pause_until(segment.end)
    return state.totals(segment.end)


def summary(totals: Totals, rate: float) -> Summary:
    """Return what totals say, at a sampling rate in Hz."""
    recent = totals.recent
    is_now = len(recent) > 1 and totals.end - recent[-1] < SEGMENT_SECONDS * rate
    return Summary(
        rate_now=_per_minute(len(recent) - 1, recent[-1] - recent[0], rate) if is_now else None,
        **_rates(totals, rate),
    )


def minute(index: int, segments: Iterable[Segment], rate: float) -> Minute:
    """Return a minute of its segments, in order, at a sampling rate in Hz; those within a gap may be left out.

    Raises:
        ValueError: if the segments are not in order.
    """
    there = tuple(segments)
    return Minute(minute=index, segments=there, **_rates(reduce(fold, there, Totals()), rate))


def segments_of(minutes: Iterable[Minute]) -> Iterator[Segment]:
    """Yield the segments of minutes."""
    for of in minutes:
        yield from of.segments


class _State:
    """Totals while a segment is added."""

    def __init__(self, totals: Totals) -> None:
        self.since = totals.since
        self.pause = totals.pause
        self.number = totals.number_of_beats
        self.recent = list(totals.recent)
        self.intervals, self.length = totals.intervals, totals.length
        self.shortest, self.longest = totals.shortest, totals.longest

    def beat(self, at: int) -> None:
        self.number += 1
        if at < self.since:  # between two gaps that count as one
            return
        self.pause_until(at)
        self.since = at
        if self.recent:
            self.intervals += 1
            self.length += at - self.recent[-1]
        self.recent = [*self.recent[-INTERVALS:], at]
        if len(self.recent) > INTERVALS:
            span = at - self.recent[0]
            self.shortest = min(self.shortest or span, span)
            self.longest = max(self.longest, span)

    def gap(self, first: int, end: int) -> None:
        self.pause_until(first)
        self.since = end
        self.recent = []

    def pause_until(self, at: int) -> None:
        if at - self.since > self.pause[1]:
            self.pause = self.since, at - self.since

    def totals(self, end: int) -> Totals:
        return Totals(
            end=end,
            since=self.since,
            number_of_beats=self.number,
            recent=tuple(self.recent),
            intervals=self.intervals,
            length=self.length,
            shortest=self.shortest,
            longest=self.longest,
            pause=self.pause,
        )


def _rates(totals: Totals, rate: float) -> dict[str, Any]:
    """Return the fields of `Rates`."""
    first, count = totals.pause
    mean = _per_minute(totals.intervals, totals.length, rate)
    return {
        "number_of_beats": totals.number_of_beats,
        "mean_rate": mean,
        "least_rate": _per_minute(INTERVALS, totals.longest, rate) or mean,
        "most_rate": _per_minute(INTERVALS, totals.shortest, rate) or mean,
        "longest_pause": Pause(first, round(count / rate, 4)) if count else None,
    }


def _per_minute(intervals: int, samples: int, rate: float) -> float | None:
    """Return the heart rate of some intervals whose sum is a number of samples, or None if there are none."""
    return round(60 * rate * intervals / samples, 2) if samples else None
