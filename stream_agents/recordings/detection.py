"""Finds the beats of a recording as its samples arrive: computes segments that are due, and late ones again."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from typing import Final

import msgspec

from shared.ecg import Lead
from shared.messages.beats import Minute, Segment, encode_minute
from shared.messages.recordings import Progress
from shared.ranges import Range
from shared.ranges import joined as joined_ranges
from stream_agents.recordings.minutes import SEGMENTS, Totals, encode_totals, fold, joined, minute, segments_of
from stream_agents.recordings.progress import overlapping
from stream_agents.recordings.segments import PAST, REACH, bounds, detect, segment_of, window
from stream_agents.recordings.window import Samples

MINUTES_OF_HOUR: Final = 60
# Segments whose samples are asked for at a time: those of three hours. Usually fewer samples are read at once.
_MOST_AT_ONCE: Final = 1000


class Detector(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of the search for beats between two chunks.

    Attributes:
        segments: the number of the next segment. All segments before it that have samples are computed.
        recent: the last computed segments, as many as the next one depends on.
        before: the totals of all hours before that of the last segment. The totals of each hour have their own row.
        hour: the totals so far of the hour of the last segment.
    """

    segments: int = 0
    recent: tuple[Segment, ...] = ()
    before: Totals = Totals()
    hour: Totals = Totals()

    @property
    def totals(self) -> Totals:
        """The totals of all segments."""
        return joined(self.before, self.hour)


class Search:
    """The search for beats after a chunk, segment by segment, as far as the samples are in memory.

    Late segments, which were computed without the samples of the chunk, are computed again first. Then the segments
    that are due are computed.

    Args:
        detector: the state before the chunk.
        progress: the progress of the recording, with the chunk.
        rate: the sampling rate in Hz.
        pieces: the ranges of samples that came with the chunk.
    """

    def __init__(self, detector: Detector, progress: Progress, rate: float, pieces: Iterable[Range]) -> None:
        self.detector = detector
        self.minutes: dict[int, bytes] = {}
        """The rows of minutes that are new or have changed, by number."""
        self.hours: dict[int, bytes] = {}
        """The rows of hours that have ended or changed, by number."""
        self._progress = progress
        self._rate = rate
        self._late = _touched(detector, pieces, rate)
        self._todo = deque([*self._late, *_due(detector, progress, rate)])
        self._known = {self._number(segment): segment for segment in detector.recent}
        self._hours: dict[int, Totals] = {}
        self._is_informed = not self._late

    @property
    def minutes_needed(self) -> list[Range]:
        """The minutes whose rows `learn` still needs, as ranges of numbers. If any, it needs the rows of all hours."""
        if self._is_informed:
            return []
        hours = {_hour_of(number) for number in self._late}
        # A segment depends on those of the minute before it.
        return joined_ranges((max(0, hour * MINUTES_OF_HOUR - 1), (hour + 1) * MINUTES_OF_HOUR) for hour in hours)

    def learn(self, minutes: Iterable[Minute], hours: Iterable[Totals]) -> None:
        """Take the results that late segments depend on: those of the needed minutes, and of all hours."""
        found = ((self._number(segment), segment) for segment in segments_of(minutes))
        # A worker that died may have written rows for later records without the detector, which is written last.
        self._known |= {number: segment for number, segment in found if number < self.detector.segments}
        now = self._hour(self.detector.hour)
        self._hours = {hour: of for of in hours if (hour := self._hour(of)) < now}
        if self.detector.hour.end:
            self._hours[now] = self.detector.hour
        self._is_informed = True

    def needed(self) -> list[Range]:
        """Return the samples in the windows of the next segments that have arrived, as ranges."""
        windows = (window(number, self._rate) for number in islice(self._todo, _MOST_AT_ONCE))
        return joined_ranges(there for each in windows for there in overlapping(self._progress, each.start, each.stop))

    @property
    def least(self) -> int:
        """The end of the next window: `run` computes a segment only if all needed samples before it are in memory."""
        return window(self._todo[0], self._rate).stop if self._todo else 0

    def run(self, samples: Samples, leads: Sequence[Lead]) -> bool:
        """Compute the next segments until one lacks samples or results; return True if all are computed.

        Args:
            samples: the samples in memory.
            leads: the leads with their names and gains; their signals are ignored.
        """
        while self._todo:
            if not self._is_informed:
                return False
            number = self._todo[0]
            there = window(number, self._rate)
            there = range(there.start, min(there.stop, self._progress.end))
            came = overlapping(self._progress, there.start, there.stop)
            if came:
                if samples.unread(came):
                    return False
                past = [self._known[n] for n in range(number - PAST, number) if n in self._known]
                found = detect(samples.cut(leads, there), there.start, self._rate, number, past)
                self._known[number] = found
                if number >= self.detector.segments:
                    self._advance(number, found)
            self._todo.popleft()
            if self._late and number == self._late[-1]:
                self._revise()
        return True

    def _advance(self, number: int, segment: Segment) -> None:
        before, hour, now = self.detector.before, self.detector.hour, self._hour(self.detector.hour)
        if hour.end and _hour_of(number) > now:
            self.hours[now] = encode_totals(hour)
            before, hour = joined(before, hour), Totals()
        # Later segments depend only on these, and the row of a minute has no more.
        self._known = {n: of for n, of in self._known.items() if n > number - PAST}
        self._store_minute(number // SEGMENTS)
        self.detector = Detector(
            _skipped(number + 1, self._progress, self._rate), self._recent(number + 1), before, fold(hour, segment)
        )

    def _revise(self) -> None:
        """Update the minutes and the totals with the segments that were computed again."""
        changed = {number for number in self._late if number in self._known}
        for index in {number // SEGMENTS for number in changed}:
            self._store_minute(index)
        hours = {_hour_of(number) for number in changed}
        known = sorted(self._known)
        for hour in hours:
            self._hours[hour] = reduce(fold, (self._known[n] for n in known if _hour_of(n) == hour), Totals())
        if hours:
            *ended, last = sorted(self._hours)
            hours |= {self._hour(self.detector.hour)}
            self.hours |= {hour: encode_totals(self._hours[hour]) for hour in ended if hour in hours}
            before = reduce(joined, (self._hours[hour] for hour in ended), Totals())
            segments = self.detector.segments
            self.detector = Detector(segments, self._recent(segments), before, self._hours[last])

    def _recent(self, end: int) -> tuple[Segment, ...]:
        return tuple(self._known[n] for n in range(end - PAST, end) if n in self._known)

    def _store_minute(self, index: int) -> None:
        of_minute = range(index * SEGMENTS, (index + 1) * SEGMENTS)
        there = [self._known[n] for n in of_minute if n in self._known]
        self.minutes[index] = encode_minute(minute(index, there, self._rate))

    def _number(self, segment: Segment) -> int:
        return segment_of(segment.first, self._rate)

    def _hour(self, totals: Totals) -> int:
        return _hour_of(segment_of(totals.first, self._rate))


def _hour_of(number: int) -> int:
    """Return the hour of a segment."""
    return number // SEGMENTS // MINUTES_OF_HOUR


def _touched(detector: Detector, pieces: Iterable[Range], rate: float) -> list[int]:
    """Return the segments that were computed without these samples and depend on them, ascending."""
    touched: set[int] = set()
    for first, end in pieces:
        highest = segment_of(end - 1, rate)
        highest += window(highest + 1, rate).start < end
        touched |= set(range(_first_with(first, rate), min(highest + REACH + 1, detector.segments)))
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
    """Return the first segment, from this number on, whose window has samples, or the number if there is none."""
    there = window(number, rate)
    if overlapping(progress, there.start, there.stop):
        return number
    behind = next((run.first for run in progress.runs if run.first >= there.stop), None)
    if behind is None or behind > progress.settled:
        return number
    return _first_with(behind, rate)


def _first_with(sample: int, rate: float) -> int:
    """Return the first segment whose window contains a sample."""
    found = segment_of(sample, rate)
    return found - (found > 0 and window(found - 1, rate).stop > sample)
