"""Statistics of the beats of a long or live recording, for each minute and in total.

Rates are defined as in the insight `rhythm`: 60 s divided by the mean RR interval; intervals across a gap do not count.
The lowest and the highest rate are means over eight successive intervals, so that a single extrasystole or the pause
after it is not reported as a rate; Holter recorders average over 4 to 16 intervals. Sums are integers of samples, so
that the same segments give the same figures whether they are added one by one or all again.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import itemgetter
from typing import Any, Final

import msgspec

from shared.messages.beats import Minute, Pause, Segment, Summary

INTERVALS: Final = 8
"""The number of successive RR intervals over which the lowest and the highest rate are taken."""
SEGMENTS: Final = 6
"""The number of segments in a minute."""

# The rate of the last intervals is not that of now any more when the last beat is as long ago.
_NOW_SECONDS: Final = 10


class Totals(msgspec.Struct, frozen=True, omit_defaults=True):
    """Statistics of the beats of successive segments, in samples, of bounded size. Successive totals can be joined.

    Attributes:
        first: the first sample of the first segment.
        end: the sample after the last segment; 0 if there is none.
        number_of_beats: the number of beats.
        has_gap: True if the segments contain a gap.
        opening: the first beats, up to the first gap; at most nine.
        recent: the last beats, since the last gap; at most nine.
        until: the end of the pause at the start: a beat, a gap, or the end.
        since: the start of the pause at the end: a beat, or the start of the signal.
        intervals: the number of RR intervals.
        length: the sum of the RR intervals.
        shortest: the shortest sum of eight successive RR intervals, or 0 if there are fewer than eight.
        longest: the longest sum of eight successive RR intervals, or 0 if there are fewer than eight.
        pause: first sample and length of the longest pause; of several, the first.
    """

    first: int = 0
    end: int = 0
    number_of_beats: int = 0
    has_gap: bool = False
    opening: tuple[int, ...] = ()
    recent: tuple[int, ...] = ()
    until: int = 0
    since: int = 0
    intervals: int = 0
    length: int = 0
    shortest: int = 0
    longest: int = 0
    pause: tuple[int, int] = (0, 0)


def fold(totals: Totals, segment: Segment) -> Totals:
    """Return the totals with another segment. Samples between the totals and the segment are a gap.

    Raises:
        ValueError: if the segment begins before the end of the totals.
    """
    return joined(totals, _totals_of(segment))


def joined(totals: Totals, later: Totals) -> Totals:
    """Return the totals of two parts of a recording. Samples between them are a gap.

    Raises:
        ValueError: if the second part begins before the end of the first one.
    """
    if not totals.end or not later.end:
        return totals if totals.end else later
    if later.first < totals.end:
        raise ValueError(f"a segment from {later.first} on after one up to {totals.end}")
    is_apart = later.first > totals.end
    before = () if is_apart else totals.recent
    is_interval = bool(before and later.opening)
    across = (*before[-INTERVALS:], *later.opening[:INTERVALS])
    spans = _spans(across)
    pauses = [totals.pause, later.pause]
    if not is_apart:
        pauses.insert(1, (totals.since, later.until - totals.since))
    is_open = not (totals.opening or totals.has_gap)
    goes_on = not (is_apart or later.opening or later.has_gap)
    return Totals(
        first=totals.first,
        end=later.end,
        number_of_beats=totals.number_of_beats + later.number_of_beats,
        has_gap=totals.has_gap or later.has_gap or is_apart,
        opening=totals.opening if totals.has_gap or is_apart else (*totals.opening, *later.opening)[: INTERVALS + 1],
        recent=later.recent if later.has_gap else (*before, *later.recent)[-INTERVALS - 1 :],
        until=later.until if is_open and not is_apart else totals.until,
        since=totals.since if goes_on else later.since,
        intervals=totals.intervals + later.intervals + is_interval,
        length=totals.length + later.length + (later.opening[0] - before[-1] if is_interval else 0),
        shortest=min((span for span in (totals.shortest, later.shortest, *spans) if span), default=0),
        longest=max(totals.longest, later.longest, *spans),
        pause=max(pauses, key=itemgetter(1)),
    )


_totals_encoder = msgspec.json.Encoder()
_totals_decoder = msgspec.json.Decoder(Totals)


def encode_totals(totals: Totals) -> bytes:
    """Encode the row of an hour."""
    return _totals_encoder.encode(totals)


def decode_totals(row: bytes) -> Totals:
    """Decode the row of an hour.

    Raises:
        msgspec.DecodeError: if the bytes are not such a row.
    """
    return _totals_decoder.decode(row)


def summary(totals: Totals, rate: float) -> Summary:
    """Return the summary of totals, at a sampling rate in Hz."""
    recent = totals.recent
    is_now = len(recent) > 1 and totals.end - recent[-1] < _NOW_SECONDS * rate
    return Summary(
        complete_until=totals.end,
        rate_now=_per_minute(len(recent) - 1, recent[-1] - recent[0], rate) if is_now else None,
        **_rates(totals, rate),
    )


def minute(index: int, segments: Iterable[Segment], rate: float) -> Minute:
    """Return a minute from its segments, in order, at a sampling rate in Hz; segments within a gap may be left out.

    Raises:
        ValueError: if the segments are not in order.
    """
    there = tuple(segments)
    return Minute(minute=index, segments=there, **_rates(reduce(fold, there, Totals()), rate))


def segments_of(minutes: Iterable[Minute]) -> Iterator[Segment]:
    """Yield the segments of minutes."""
    for of in minutes:
        yield from of.segments


def _totals_of(segment: Segment) -> Totals:
    state = _State(segment.first)
    gaps = list(segment.gaps)
    for beat in segment.beats:
        while gaps and gaps[0][0] <= beat:
            first, count = gaps.pop(0)
            state.gap(first, first + count)
        state.beat(beat)
    for first, count in gaps:
        state.gap(first, first + count)
    return state.totals(segment)


def _spans(beats: Sequence[int]) -> list[int]:
    """Return the sum of every eight successive RR intervals between beats."""
    return [end - first for first, end in zip(beats, beats[INTERVALS:], strict=False)]


class _State:
    """The beats of a segment in each stretch of signal between its gaps, and the pauses, while they are collected."""

    def __init__(self, first: int) -> None:
        self.since = first
        self.stretches: list[list[int]] = [[]]
        self.pauses: list[tuple[int, int]] = []

    def beat(self, at: int) -> None:
        if at < self.since:  # The beat is between two gaps that count as one.
            return
        self.pause_until(at)
        self.since = at
        self.stretches[-1].append(at)

    def gap(self, first: int, end: int) -> None:
        self.pause_until(first)
        self.since = end
        self.stretches.append([])

    def pause_until(self, at: int) -> None:
        self.pauses.append((self.since, at - self.since))

    def totals(self, segment: Segment) -> Totals:
        self.pause_until(segment.end)
        opening, recent = self.stretches[0], self.stretches[-1]
        intervals = sum(len(beats) - 1 for beats in self.stretches if beats)
        length = sum(beats[-1] - beats[0] for beats in self.stretches if beats)
        spans = [span for beats in self.stretches for span in _spans(beats)]
        return Totals(
            first=segment.first,
            end=segment.end,
            number_of_beats=len(segment.beats),
            has_gap=len(self.stretches) > 1,
            opening=tuple(opening[: INTERVALS + 1]),
            recent=tuple(recent[-INTERVALS - 1 :]),
            until=sum(self.pauses[0]),
            since=self.since,
            intervals=intervals,
            length=length,
            shortest=min(spans, default=0),
            longest=max(spans, default=0),
            pause=max(((0, 0), *self.pauses), key=itemgetter(1)),
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
    """Return the mean heart rate of RR intervals, from their number and their sum in samples, or None without any."""
    return round(60 * rate * intervals / samples, 2) if samples else None
