"""The median beat: the median of the beats of one shape, with less noise than any of them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_agents.insights.beats import Beats, find_beats
from stream_agents.insights.quality import usable_leads
from stream_agents.insights.recording import MOST_LEADS, Recording, Samples
from stream_agents.insights.statistics import median, median_over_beats, moving_mean

# More beats make it no better: noise falls with the square root of their number.
_MOST_BEATS = 40
_ALIGN_SECONDS = 0.08
_SHIFT_SECONDS = 0.032
_SMOOTH_SECONDS = 0.012
_ALIKE = 0.8
_BEFORE_SECONDS = 0.5
_AFTER_SECONDS = 0.75
_BASELINE_SECONDS = (0.1, 0.06)
# A pacemaker's spike comes and goes within these.
_SPIKE_SECONDS = 0.008
_QUIET_SECONDS = 0.03
_LEAST_SPIKE = 0.1


@dataclass(frozen=True)
class MedianBeat:
    """The median of alike beats, aligned, from half a second before to three quarters after the QRS complex.

    Attributes:
        values: shape (leads, n), in each lead's own unit, zero shortly before the QRS complex.
        leads: the indices of its leads in the recording.
        beats: the alike beats, of which it is the median, shape (leads, beats, n).
        rate: samples per second.
        mark: index of the centre of the QRS complex.
        rr: the median RR interval in seconds.
        alike: beats of the same shape.
        spike_end: index where the last spike of a pacemaker before the mark ended, which was removed, or None.
    """

    values: Samples
    leads: tuple[int, ...]
    beats: Samples
    rate: float
    mark: int
    rr: float
    alike: int
    spike_end: int | None


def representative_beat(recording: Recording) -> MedianBeat | None:
    """Return the median beat on the usable leads, at most 16, or None if there is none."""
    leads = recording.once(usable_leads).copy()
    leads[np.flatnonzero(leads)[MOST_LEADS:]] = False
    return median_beat(recording, recording.once(find_beats), leads)


def median_beat(recording: Recording, beats: Beats, leads: NDArray[np.bool_]) -> MedianBeat | None:
    """Return the median beat on the chosen leads, or None if no beat is inside the recording as a whole.

    The beat that is most like the others is the template; beats whose slopes within the QRS complex correlate with it
    by 0.8 at their best shift are alike.
    """
    if beats.positions.size < 2 or not leads.any():  # noqa: PLR2004 - one RR interval
        return None
    rate = recording.rate
    rr = float(median(beats.positions[1:] - beats.positions[:-1])) / recording.sampling_rate
    before = int(min(_BEFORE_SECONDS, 0.55 * rr) * rate)
    after = int(min(_AFTER_SECONDS, max(0.95 * rr - 0.12, 0.4)) * rate)
    shift = int(_SHIFT_SECONDS * rate) + 1
    length = recording.length // recording.factor
    centres = np.rint((beats.positions + 0.5) / recording.factor - 0.5).astype(np.int64)
    centres = centres[(centres >= before + shift) & (centres + after + shift < length)]
    if not centres.size:
        return None
    if centres.size > _MOST_BEATS:
        centres = centres[np.linspace(0, centres.size - 1, _MOST_BEATS).astype(np.int64)]
    around = _around(recording, leads, centres, before + shift, after + shift)
    moved, alike = _align(around, before + shift, shift, rate)
    index = (
        (np.flatnonzero(alike) * around.shape[2])[:, None] + (moved[alike] + shift)[:, None] + np.arange(before + after)
    )
    # The same indices for every lead, of all its beats in a row.
    found = np.take(around.reshape(len(around), -1), index, axis=1)
    first, last = (max(0, before - int(seconds * rate)) for seconds in _BASELINE_SECONDS)
    found -= found[:, :, first : max(first + 1, last)].mean(axis=2, keepdims=True)
    values = median_over_beats(found)
    spike_end = _without_spikes(values, before, rate)
    return MedianBeat(
        values,
        tuple(np.flatnonzero(leads).tolist()),
        found,
        rate,
        before,
        rr,
        int(alike.sum()),
        spike_end,
    )


def _around(
    recording: Recording, leads: NDArray[np.bool_], centres: NDArray[np.int64], before: int, after: int
) -> Samples:
    """Return the signals around beats, shape (leads, beats, before + after)."""
    if recording.whole is not None:
        values = recording.whole if leads.all() else recording.whole[leads]
        return np.take(values, centres[:, None] + np.arange(-before, after), axis=1)
    chosen = np.flatnonzero(leads).tolist()
    return np.stack([recording.read(int(at) - before, int(at) + after, chosen) for at in centres], axis=1)


def _align(around: Samples, mark: int, shift: int, rate: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return by how many samples each beat is shifted to fit the template, and which beats are alike."""
    reach = int(_ALIGN_SECONDS * rate)
    near = around[:, :, mark - reach - shift - 1 : mark + reach + shift + 1]
    smooth = moving_mean(near, max(1, round(_SMOOTH_SECONDS * rate)), "reflect")
    slope = smooth[:, :, 1:] - smooth[:, :, :-1]
    steepest = median(np.abs(slope).max(axis=2))
    slope /= np.where(steepest > 0, steepest, 1.0)[:, None, None]
    leads, count, length = slope.shape
    shifts = 2 * shift + 1
    width = length - 2 * shift
    beats = np.ascontiguousarray(slope.transpose(1, 0, 2))
    # A window for each shift, as a view.
    windows = np.ndarray((count, leads, shifts, width), beats.dtype, beats, 0, (*beats.strides, beats.itemsize))
    power = np.zeros((count, length + 1))
    np.cumsum(np.einsum("blw,blw->bw", beats, beats), axis=1, out=power[:, 1:])
    norm = np.sqrt(power[:, width:] - power[:, :-width])
    norm[norm == 0] = 1.0
    each = np.arange(count)
    unshifted = windows[:, :, shift].reshape(count, -1) / norm[:, shift, None]
    template = unshifted[median(unshifted @ unshifted.T).argmax()]
    # The template at every shift, so that one product gives the fit of each beat at each shift.
    shifted = np.zeros((leads, length, shifts))
    lead_step, sample_step, shift_step = shifted.strides
    steps = (lead_step, sample_step + shift_step, sample_step)
    places = np.ndarray((leads, shifts, width), shifted.dtype, shifted, 0, steps)
    best = np.zeros(count)
    moved = np.zeros(count, np.int64)
    for _ in range(2):
        places[:] = template.reshape(leads, 1, width)
        fit = (beats.reshape(count, -1) @ shifted.reshape(-1, shifts)) / norm
        moved = fit.argmax(axis=1)
        best = fit[each, moved]
        alike = best >= min(_ALIKE, float(best.max()))
        template = alike.astype(np.float64) @ windows[each, :, moved].reshape(count, -1)
        template /= math.sqrt(template @ template) or 1.0
    return moved - shift, alike


def _without_spikes(values: Samples, mark: int, rate: float) -> int | None:
    """Replace spikes of a pacemaker before the mark by lines, in place; return where the last one ends, or None.

    A spike comes and goes within 8 ms of its peak, after 22 quiet ones, on several leads at once: no wave is as
    narrow as that.
    """
    width = max(1, round(_SPIKE_SECONDS * rate))
    quiet = max(width + 1, round(_QUIET_SECONDS * rate))
    part = values[:, : mark + width]
    centre, left, right = part[:, quiet:-width], part[:, quiet - width : -2 * width], part[:, quiet + width :]
    up, down = centre - left, centre - right
    height = np.minimum(np.abs(up), np.abs(down))
    near = values[:, max(0, mark - int(0.1 * rate)) : mark + int(0.1 * rate)]
    size = near.max(axis=1) - near.min(axis=1)
    spike = (up * down > 0) & (height > _LEAST_SPIKE * size[:, None]) & (np.abs(left - right) < 0.4 * height)
    least = max(1, len(values) // 4)
    # Seldom are there any.
    if np.count_nonzero(spike) < least or not (spike.sum(axis=0) >= least).any():
        return None
    for lead, at in zip(*np.nonzero(spike), strict=True):
        spike[lead, at] = np.ptp(part[lead, at : at + quiet - width + 1]) < 0.4 * height[lead, at]
    found = np.flatnonzero(spike.sum(axis=0) >= least) + quiet
    for at in found:
        first, last = at - width, at + width
        line = np.linspace(0.0, 1.0, last - first + 1)
        values[:, first : last + 1] = values[:, [first]] * (1 - line) + values[:, [last]] * line
    return int(found[-1]) + width if found.size else None
