"""The beats of a long or live recording, found in segments of ten seconds on a fixed grid.

Each segment is computed from its samples, a margin on each side, and the results of the segments shortly before it.
The result therefore does not depend on how the recording was cut into chunks, or on the order of their arrival.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Lead, cut
from shared.messages.beats import Segment
from stream_agents.insights.beats import (
    LEAST_OF_ALL,
    REFRACTORY_SECONDS,
    Candidates,
    block_samples,
    candidates,
    complexes,
)
from stream_agents.insights.quality import heart_leads, lead_quality, live_leads
from stream_agents.insights.recording import Recording, Samples
from stream_agents.insights.rhythm import INSIGHT as _RHYTHM
from stream_agents.insights.statistics import median

SEGMENT_SECONDS: Final = 10
MARGIN_SECONDS: Final = 2
PAST: Final = 6
"""The number of earlier segments, a minute, whose levels are taken into account in a segment."""
REACH: Final = PAST + 1
"""If samples in the window of segment `k` change, the results of segments after `k + REACH` stay the same."""
LEAST_RATE: Final = _RHYTHM.needs.sampling_rate
"""Below this sampling rate in Hz no beats are searched for."""

# Two neighbouring segments may place the same beat some milliseconds apart, each on the other's side of the border.
_BORDER_SECONDS = 0.05
# The energy of complexes is many times the median energy; that of noise is hardly ever twelve times. The complexes of
# fast tachycardias, as broad as the intervals between them, do not reach this either, but have about the usual energy.
_CLEAR_SNR = 12.0
# Candidates that are not clear count as noise below this share of the usual energy: a third of the amplitude.
_LEAST_UNCLEAR = 0.1
# In noise, the successive intervals between candidates differ by a third, and by less than this share in one of a
# hundred windows. Fewer intervals are not enough to tell. Fast tachycardias are regular.
_MOST_IRREGULAR = 0.2
_LEAST_INTERVALS = 4
# A lead with signal in a smaller share of the window than this is used only if every lead is like that.
_THROUGHOUT = 0.9
# At a longer gap, the parts of the window before and after it are searched separately.
_LONG_GAP_SECONDS = 0.5
# Gaps that are closer together count as one: the signal between them is too short to tell the rhythm.
_LEAST_BETWEEN_GAPS_SECONDS = 0.5


def bounds(k: int, rate: float) -> range:
    """Return the samples that segment `k` answers for, at a sampling rate in Hz."""
    return range(math.ceil(k * SEGMENT_SECONDS * rate), math.ceil((k + 1) * SEGMENT_SECONDS * rate))


def window(k: int, rate: float) -> range:
    """Return the samples from which segment `k` is computed: its own, and a margin of two seconds on each side."""
    inner, margin = bounds(k, rate), math.ceil(MARGIN_SECONDS * rate)
    return range(max(0, inner.start - margin), inner.stop + margin)


def segment_of(sample: int, rate: float) -> int:
    """Return the segment that answers for a sample."""
    k = int(sample / (SEGMENT_SECONDS * rate))
    # The quotient is a float, and may be rounded to the next segment.
    return k + (sample >= bounds(k, rate).stop) - (sample < bounds(k, rate).start)


def detect(leads: Sequence[Lead], first: int, rate: float, k: int, past: Sequence[Segment]) -> Segment:
    """Return segment `k` with its beats, levels and gaps.

    Args:
        leads: the leads in its window, which ends at the recording's end; all of the same length. Absent samples are 0,
            and in each lead's `missing`.
        first: the index of their first sample in the recording.
        rate: the sampling rate in Hz.
        k: the number of the segment.
        past: the segments just before it, at most six, the oldest first. Segments in which all samples are absent may
            be left out.
    """
    whole = Recording(leads, rate)
    inner = bounds(k, rate)
    inner = range(max(inner.start, first), max(inner.start, first, min(inner.stop, first + whole.length)))
    absent = whole.missing_on_all(np.flatnonzero(heart_leads(whole)).tolist()) + first
    pieces = list(_pieces(whole, first, inner, absent.tolist())) if rate >= LEAST_RATE else []
    levels = _levels(len(leads), pieces, inner)
    beats = [_beats(piece, levels, past) for piece in pieces]
    gaps = _joined(absent.tolist(), inner, _LEAST_BETWEEN_GAPS_SECONDS * rate)
    return Segment(inner.start, inner.stop, _inner(beats, inner, rate, past), levels, gaps)


def single_pass(leads: Sequence[Lead], rate: float) -> Iterator[Segment]:
    """Yield the segments of a whole recording in order; all leads have the same length."""
    length = leads[0].signal.size
    past: list[Segment] = []
    k = 0
    while bounds(k, rate).start < length:
        there = window(k, rate)
        found = detect([cut(lead, there) for lead in leads], there.start, rate, k, past)
        past = [*past[1 - PAST :], found]
        yield found
        k += 1


class _Piece(NamedTuple):
    """A part of a window without a long gap, its first sample, and the candidates for complexes in it."""

    recording: Recording
    first: int
    found: Candidates


def _pieces(whole: Recording, first: int, inner: range, absent: list[list[int]]) -> Iterator[_Piece]:
    """Yield the parts of a window, which begins at sample `first`, between gaps that would distort the levels."""
    end = first + whole.length
    start = first
    for gap in [*absent, [end, end + whole.length]]:
        if gap[1] - gap[0] < _LONG_GAP_SECONDS * whole.sampling_rate:
            continue
        if start < gap[0]:
            recording, at = _in_blocks(whole, first, range(start, gap[0]), inner)
            found = candidates(recording, _leads(recording))
            if found is not None:
                yield _Piece(recording, at, found)
        start = gap[1]


def _in_blocks(whole: Recording, first: int, there: range, inner: range) -> tuple[Recording, int]:
    """Return a part of a window and its first sample, without a fraction of a block at the end of a margin.

    A block of a few samples contains no complex, but would change the levels of the blocks next to it.
    """
    block = block_samples(whole)
    if (excess := len(there) % block) < block // 2:
        if there.stop - excess >= inner.stop:
            there = range(there.start, there.stop - excess)
        elif there.start + excess <= inner.start:
            there = range(there.start + excess, there.stop)
    if len(there) == whole.length:
        return whole, first
    inside = range(there.start - first, there.stop - first)
    return Recording([cut(lead, inside) for lead in whole.leads], whole.sampling_rate), there.start


def _leads(recording: Recording) -> NDArray[np.bool_]:
    """Return the leads on which beats are searched, shape (leads,).

    Leads that are silent in a part of the window are left out, because they would outweigh the others there. If no lead
    is usable, for example because of a flat line in most of the window, the remaining signal is still searched.
    """
    silent = np.array([lead.missing_fraction + lead.flat_fraction for lead in recording.once(lead_quality)])
    live = recording.once(live_leads)
    throughout = live & (silent <= 1 - _THROUGHOUT)
    if throughout.any():
        return np.asarray(throughout)
    return live if live.any() else np.asarray(heart_leads(recording) & (silent < _THROUGHOUT))


def _joined(ranges: list[list[int]], inner: range, apart: float) -> tuple[tuple[int, int], ...]:
    """Return the parts of ranges within a segment, `(first, count)` each; ranges closer than `apart` become one."""
    joined: list[list[int]] = []
    for begin, end in ranges:
        start, stop = max(begin, inner.start), min(end, inner.stop)
        if start >= stop:
            continue
        if joined and start - joined[-1][1] < apart:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    return tuple((start, stop - start) for start, stop in joined)


def _levels(leads: int, pieces: Sequence[_Piece], inner: range) -> tuple[float, ...]:
    """Return the level of each lead's clear complexes in a segment, or an empty tuple if there are none.

    It is the highest level at any of them, because most candidates are noise where a pause begins or ends. Levels are
    medians over ten seconds, which a single artefact does not change; in margins, they are medians over less.
    """
    levels = np.zeros(leads)
    for recording, first, found in pieces:
        positions = found.positions * found.factor * recording.factor + first
        inside = (positions >= inner.start) & (positions < inner.stop)
        clear = np.where(inside & (found.snr >= _CLEAR_SNR), found.levels, 0.0)
        levels[found.leads] = np.maximum(levels[found.leads], clear.max(axis=1))
    # Three digits are precise enough to compare levels, and keep rows short.
    return tuple(float(f"{level:.3g}") for level in levels.tolist()) if levels.any() else ()


def _beats(piece: _Piece, levels: Sequence[float], past: Sequence[Segment]) -> Samples:
    """Return the positions of a piece's beats in the recording.

    Candidates are compared with the upper quartile of the levels of this segment and of those before it, on the leads
    with clear complexes in any of them. Without such a lead, candidates are beats if they are regular: noise is not.
    """
    recording, first, found = piece
    known = [of for of in (*(segment.levels for segment in past[-PAST:]), levels) if of]
    usual = np.array([_upper_quartile([of[lead] for of in known if of[lead]]) for lead in found.leads])
    if not usual.any():
        positions = complexes(recording, found, np.ones(found.positions.size, np.bool_)).positions
        return positions + first if _are_regular(positions) else np.empty(0)
    share = found.shares[usual > 0].sum(axis=0)
    loudness = found.loudness(np.where(usual > 0, usual, np.inf)) / np.maximum(share, np.finfo(float).tiny)
    snr = (found.shares * found.snr).sum(axis=0)
    loud = loudness >= np.where(snr >= _CLEAR_SNR, LEAST_OF_ALL, _LEAST_UNCLEAR)
    return complexes(recording, found, loud).positions + first


def _are_regular(positions: Samples) -> bool:
    """Return True if successive intervals differ less than in noise."""
    intervals = np.diff(positions)
    if intervals.size < _LEAST_INTERVALS:
        return False
    return bool(median(np.abs(np.diff(intervals))) < _MOST_IRREGULAR * median(intervals))


def _upper_quartile(values: list[float]) -> float:
    return sorted(values)[int(0.75 * len(values))] if values else 0.0


def _inner(beats: list[Samples], inner: range, rate: float, past: Sequence[Segment]) -> tuple[int, ...]:
    """Return the beats within a segment.

    If this segment places a beat before the border, and the segment before it places the same beat after the border,
    the beat is the first one of this segment.
    """
    if not beats:
        return ()
    last = past[-1].beats[-1] if past and past[-1].beats else -math.inf
    samples = np.rint(np.concatenate(beats)).astype(np.int64)
    samples = samples[(samples >= inner.start - _BORDER_SECONDS * rate) & (samples < inner.stop)]
    samples = np.maximum(samples[samples - last >= REFRACTORY_SECONDS * rate], inner.start)
    return tuple(samples.tolist())
