"""Onsets and ends of the waves of a median beat.

QRS: where the leads' mean slope, each relative to its steepest, rises above and falls below 6 % of its peak; that
global slope is the spatial velocity of the Common Standards for Electrocardiography in its simplest form (CSE Working
Party 1985, "Recommendations for measurement standards in quantitative electrocardiography", Eur Heart J 6: 815-825).

End of T: on each lead where the trapezium below the wave's last slope is largest, which needs no threshold; the
median over leads with a clear T wave. Onset of P: the same, mirrored. Vazquez-Seisdedos CR et al. (2011), "New
approach for T-wave end detection on electrocardiogram: performance in noisy conditions", Biomed Eng Online 10: 77.

Heights are compared between leads relative to each lead's noise, so that neither its gain nor its unit matters.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_agents.insights.median_beat import MedianBeat
from stream_agents.insights.recording import Samples
from stream_agents.insights.statistics import median, moving_mean, quartiles

_SLOPE_SECONDS = 0.012
_EDGE = 0.06
# The edges at half and at one and a half times the threshold tell how sharp they are.
_EDGES = (0.5, 1.5)
_LONGEST_QRS_SECONDS = (0.16, 0.2)
# Rounded up: between two waves of a wide complex, the slope can be low for as long as that.
_STILL_SECONDS = 0.0125
_CLEAR_QRS = 0.2

_T_SMOOTH_SECONDS = 0.03
_T_REACH_SECONDS = 0.14
_CLEAR_T = 0.25
_LONGEST_QT_SECONDS = 0.62

_P_SMOOTH_SECONDS = 0.024
_P_REACH_SECONDS = 0.1
_CLEAR_P = 0.4
_LONGEST_PR_SECONDS = 0.3
# Smoothing twice moves an onset at the wave's foot outwards, by half of the filters' length.
_P_WIDENED_SECONDS = 0.010


class Edge(NamedTuple):
    """A point in a median beat, in samples, and how far it could be off, in samples."""

    at: float
    spread: float


class Wave(NamedTuple):
    """A P or T wave: its outer edge, the index of its peak, and its height on each lead as a share of the beat."""

    edge: Edge
    peak: int
    height: Samples


def qrs_edges(beat: MedianBeat) -> tuple[Edge, Edge]:
    """Return onset and end of the QRS complex."""
    rate, mark = beat.rate, beat.mark
    smooth = max(1, int(_SLOPE_SECONDS * rate))
    slope = np.abs(_slope(_smooth(beat.values, smooth)))
    near = slice(max(0, mark - int(0.08 * rate)), mark + int(0.1 * rate))
    size = _range(beat.values[:, near])
    clear = size > _CLEAR_QRS * median(size)
    if not clear.any():
        clear[:] = True
    steepest = slope[clear, near].max(axis=1)
    mean = (slope[clear] / np.where(steepest > 0, steepest, 1.0)[:, None]).sum(axis=0)
    mean = _smooth(mean, smooth)
    peak = float(mean[near].max())
    reach = [int(seconds * rate) for seconds in _LONGEST_QRS_SECONDS]
    if beat.spike_end is not None and beat.spike_end < mark:
        reach[0] = min(reach[0], max(1, mark - beat.spike_end))
    return _edge(mean, mark, -reach[0], peak, rate), _edge(mean, mark, reach[1], peak, rate)


def _edge(slope: Samples, mark: int, reach: int, peak: float, rate: float) -> Edge:
    """Return where the slope stays below the threshold, at most `reach` samples from the mark; before it if < 0."""
    step = 1 if reach > 0 else -1
    outward = slope[mark : mark + reach + 1] if reach > 0 else slope[max(0, mark + reach) : mark + 1][::-1]
    still = math.ceil(_STILL_SECONDS * rate)
    values = outward.tolist()
    floor = min(values)
    at, narrow, wide = (
        _first_below(values, floor + share * _EDGE * (peak - floor), still) for share in (1.0, *_EDGES[::-1])
    )
    return Edge(mark + step * at, abs(wide - narrow) / 2)


def _first_below(values: list[float], threshold: float, still: int) -> float:
    """Return where values fall below a threshold for `still` samples, between samples; the last index if nowhere."""
    run = 0
    for index, value in enumerate(values):
        run = run + 1 if value < threshold else 0
        if run == still:
            at = index - still + 1
            return at - (threshold - values[at]) / (values[at - 1] - values[at]) if at else 0.0
    return float(len(values) - 1)


def t_wave(beat: MedianBeat, qrs_end: float) -> Wave | None:
    """Return the T wave, or None if there is no room for one before the next beat."""
    rate, mark = beat.rate, beat.mark
    values = _twice(beat.values, _T_SMOOTH_SECONDS * rate)
    length = values.shape[1]
    first = int(qrs_end + 0.06 * rate)
    longest = min(_LONGEST_QT_SECONDS, _LONGEST_QT_SECONDS * np.sqrt(beat.rr))
    last = min(length - 1, int(mark + longest * rate), int(mark + (beat.rr - 0.1) * rate))
    if last - first < 0.1 * rate:
        return None
    base = median(values[:, max(first, last - int(0.06 * rate)) : last + 1])
    part = values[:, first : last + 1] - base[:, None]
    size = np.einsum("ln,ln->n", part, part)
    top = int(size.argmax())
    if top == 0:
        # The end of the ST segment is no peak.
        inner = np.flatnonzero((size[1:-1] >= size[:-2]) & (size[1:-1] > size[2:])) + 1
        top = int(inner[size[inner].argmax()]) if inner.size else 0
    top += first
    low, high = max(first, top - int(0.06 * rate)), min(last, top + int(0.06 * rate))
    peaks, height = _peaks(values, low, high, base)
    end = min(length - 1, int(top + _T_REACH_SECONDS * rate), int(mark + (beat.rr - 0.12) * rate))
    if end - top < 0.05 * rate:
        end = min(length - 1, top + int(0.1 * rate))
    ends = _trapezium(values, peaks, np.sign(height), end)
    clear = np.abs(height) > _CLEAR_T * np.abs(height).max()
    return Wave(_middle(ends[clear]), top, np.abs(height) / _range(beat.values))


def p_wave(beat: MedianBeat, qrs_onset: float, t_end: float | None) -> Wave | None:
    """Return the highest wave between the T wave of the beat before and the QRS complex, or None without room."""
    rate = beat.rate
    values = _twice(beat.values, _P_SMOOTH_SECONDS * rate)
    before = 0.0 if t_end is None else t_end - beat.rr * rate
    first = int(max(0.0, qrs_onset - _LONGEST_PR_SECONDS * rate, before))
    last = int(qrs_onset - 0.03 * rate)
    if last - first < 0.08 * rate:
        return None
    part = values[:, first : last + 1]
    line = np.arange(part.shape[1]) / (part.shape[1] - 1)
    part = part - (part[:, :1] * (1 - line) + part[:, -1:] * line)
    top = int(np.einsum("ln,ln->n", part, part).argmax())
    reach = int(0.03 * rate)
    peaks, height = _peaks(part, max(0, top - reach), min(part.shape[1] - 1, top + reach), np.zeros(len(part)))
    start = max(first, int(first + top - _P_REACH_SECONDS * rate))
    # Mirrored, the onset is an end.
    mirrored = values[:, ::-1]
    end = values.shape[1] - 1
    onsets = end - _trapezium(mirrored, end - (first + peaks), np.sign(height), end - start, int(0.09 * rate))
    clear = np.abs(height) > _CLEAR_P * np.abs(height).max()
    found = _middle(onsets[clear])
    onset = Edge(found.at + _P_WIDENED_SECONDS * rate, found.spread)
    return Wave(onset, first + top, np.abs(height) / _range(beat.values))


def _peaks(values: Samples, low: int, high: int, base: Samples) -> tuple[NDArray[np.intp], Samples]:
    """Return each lead's index of its largest deviation from its base within `[low, high]`, and that deviation."""
    deviation = values[:, low : high + 1] - base[:, None]
    at = np.abs(deviation).argmax(axis=1)
    return low + at, deviation[np.arange(len(values)), at]


def _trapezium(
    values: Samples, peaks: NDArray[np.intp], sign: Samples, end: int, steepest_within: int | None = None
) -> Samples:
    """Return each lead's end of the wave after its peak: where the trapezium from the steepest point is largest."""
    first = max(1, int(peaks.min()))
    time = np.arange(first, end + 1)
    part = values[:, first : end + 1]
    slope = (part - values[:, first - 1 : end]) * -sign[:, None]
    limit = end if steepest_within is None else np.minimum(end, peaks + steepest_within)[:, None]
    steepest = np.where((time >= peaks[:, None]) & (time <= limit), slope, -np.inf).argmax(axis=1)
    area = np.abs(part[np.arange(len(part)), steepest][:, None] - part)
    steepest = steepest[:, None]
    area *= 2 * end - first - time - steepest
    area[time - first < steepest] = -1.0
    return np.asarray(first + area.argmax(axis=1).astype(np.float64))


def _middle(edges: Samples) -> Edge:
    """Return the median of the leads' edges, and their spread: half of the range that the middle half of them takes."""
    low, middle, high = quartiles(edges)
    return Edge(middle, (high - low) / 2)


def _range(values: Samples) -> Samples:
    """Return the range of each lead, 1 for a lead without any change."""
    size = values.max(axis=1) - values.min(axis=1)
    return np.asarray(np.where(size > 0, size, 1.0))


def _slope(values: Samples) -> Samples:
    """Return the difference of each sample from the one before it, zero for the first, shape (leads, n)."""
    slope = np.zeros_like(values)
    np.subtract(values[:, 1:], values[:, :-1], out=slope[:, 1:])
    return slope


def _smooth(values: Samples, width: float) -> Samples:
    return moving_mean(values, max(1, int(width)), "nearest")


def _twice(values: Samples, width: float) -> Samples:
    return _smooth(_smooth(values, width), width)


class Waves(NamedTuple):
    """The waves of a median beat."""

    onset: Edge
    end: Edge
    t: Wave | None
    p: Wave | None


def waves(beat: MedianBeat) -> Waves:
    """Return the waves of a median beat."""
    # Noise changes its slope at every sample, a wave seldom.
    slope = beat.values[:, 1:] - beat.values[:, :-1]
    curvature = np.abs(slope[:, 1:] - slope[:, :-1]).sum(axis=1, keepdims=True)
    beat = replace(beat, values=beat.values / np.where(curvature > 0, curvature, 1.0))
    onset, end = qrs_edges(beat)
    t = t_wave(beat, end.at)
    return Waves(onset, end, t, p_wave(beat, onset.at, None if t is None else t.edge.at))
