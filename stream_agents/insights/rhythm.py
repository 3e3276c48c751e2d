"""Beats and rhythm: the positions of the QRS complexes, the heart rate, and the variability of the RR intervals.

QRS complexes are detected by Elgendi's two moving averages (2013), on the energies of all usable leads (the first 16 if
there are more), weighted by their signal-to-noise ratios. The variability is that of all beats, extrasystoles included:
Task Force of the ESC and NASPE (1996), "Heart rate variability: standards of measurement, physiological interpretation,
and clinical use", Circulation 93: 1043-1065.
"""

import math
from itertools import pairwise
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from stream_agents.insights.beats import Beats, find_beats
from stream_agents.insights.contract import Insight, Needs
from stream_agents.insights.quality import live_leads
from stream_agents.insights.recording import Ranges, Recording, Samples
from stream_agents.insights.statistics import median

# Fewer RR intervals do not show the variability.
_LEAST_INTERVALS = 10


class Rhythm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The beats of an ECG and the intervals between them, found on all usable leads together."""

    number_of_beats: Annotated[int, Meta(title="beats", description="QRS complexes found", ge=0, extra={"unit": "1"})]
    beats: Annotated[
        tuple[int, ...],
        Meta(
            title="positions of beats",
            description="sample index of the centre of each QRS complex",
            extra={"unit": "samples"},
        ),
    ] = ()
    heart_rate_bpm: Annotated[
        float | None,
        Meta(
            title="heart rate",
            description="mean heart rate between the first and the last beat",
            extra={"unit": "/min", "loinc": "8867-4"},
        ),
    ] = None
    rr_median_ms: Annotated[
        float | None, Meta(title="median RR", description="median RR interval", extra={"unit": "ms"})
    ] = None
    rr_shortest_ms: Annotated[
        float | None, Meta(title="shortest RR", description="shortest RR interval", extra={"unit": "ms"})
    ] = None
    rr_longest_ms: Annotated[
        float | None, Meta(title="longest RR", description="longest RR interval", extra={"unit": "ms"})
    ] = None
    sdnn_ms: Annotated[
        float | None,
        Meta(title="SDNN", description="standard deviation of the RR intervals of all beats", extra={"unit": "ms"}),
    ] = None
    rmssd_ms: Annotated[
        float | None,
        Meta(
            title="RMSSD",
            description="root mean square of the differences between successive RR intervals",
            extra={"unit": "ms"},
        ),
    ] = None
    longest_pause_ms: Annotated[
        float | None,
        Meta(
            title="longest pause",
            description="longest time without a beat, including before the first and after the last one",
            extra={"unit": "ms"},
        ),
    ] = None
    absent: Annotated[
        dict[str, str], Meta(title="absent", description="why a measurement is absent, by its field")
    ] = {}


def rhythm(recording: Recording) -> Rhythm:
    """Return beats and rhythm. RR intervals across a time without signal on any lead do not count."""
    leads = recording.once(live_leads)
    if not leads.any():
        reason = "no usable lead"
        return Rhythm(number_of_beats=0, absent=dict.fromkeys(_MEASURED, reason))
    found = recording.once(find_beats)
    gaps = recording.missing_on_all(np.flatnonzero(leads).tolist())
    positions = found.positions * 1000 / recording.sampling_rate
    pause = _longest_pause(positions, recording, gaps)
    intervals, successive = _intervals(positions, recording, gaps)
    if not intervals.size:
        few = found.positions.size < 2  # noqa: PLR2004 - one RR interval
        reason = "fewer than two beats" if few else "no two successive beats without a gap between them"
        absent = dict.fromkeys(_MEASURED[:-1], reason)
        return Rhythm(
            beats=_indices(found), number_of_beats=found.positions.size, longest_pause_ms=pause, absent=absent
        )
    enough = successive.size >= _LEAST_INTERVALS - 1
    mean = float(intervals.mean())
    deviation = intervals - mean
    return Rhythm(
        beats=_indices(found),
        number_of_beats=found.positions.size,
        heart_rate_bpm=round(60_000 / mean, 2),
        rr_median_ms=_milliseconds(float(median(intervals))),
        rr_shortest_ms=_milliseconds(intervals.min()),
        rr_longest_ms=_milliseconds(intervals.max()),
        sdnn_ms=_milliseconds(math.sqrt(deviation @ deviation / (deviation.size - 1))) if enough else None,
        rmssd_ms=_milliseconds(math.sqrt(successive @ successive / successive.size)) if enough else None,
        longest_pause_ms=pause,
        absent={} if enough else dict.fromkeys(("sdnn_ms", "rmssd_ms"), f"fewer than {_LEAST_INTERVALS} RR intervals"),
    )


_MEASURED: Final = (
    *("heart_rate_bpm", "rr_median_ms", "rr_shortest_ms", "rr_longest_ms", "sdnn_ms", "rmssd_ms"),
    "longest_pause_ms",
)
INSIGHT: Final = Insight(
    name="rhythm",
    version=3,
    scope="ecg",
    needs=Needs(sampling_rate=100.0, seconds=1.0),
    result=Rhythm,
    compute=rhythm,
    summary=("heart_rate_bpm",),
)


def _indices(beats: Beats) -> tuple[int, ...]:
    return tuple(beats.samples.tolist())


def _milliseconds(value: "np.floating | float") -> float:
    return round(float(value), 1)


def _intervals(positions: Samples, recording: Recording, gaps: Ranges) -> tuple[Samples, Samples]:
    """Return RR intervals, and the differences of successive ones, in ms."""
    intervals = positions[1:] - positions[:-1]
    if not gaps.size:
        return intervals, intervals[1:] - intervals[:-1]
    sound = ~_crosses(positions, recording, gaps)
    return intervals[sound], np.diff(intervals)[sound[1:] & sound[:-1]]


def _crosses(positions: Samples, recording: Recording, gaps: Ranges) -> NDArray[np.bool_]:
    starts = gaps[:, 0] * 1000 / recording.sampling_rate
    return np.asarray(np.diff(np.searchsorted(starts, positions)) > 0)


def _longest_pause(positions: Samples, recording: Recording, gaps: Ranges) -> float:
    """Return the longest time with signal and without a beat, in ms."""
    if not gaps.size:
        times = [0.0, *positions.tolist(), recording.seconds * 1000]
        return _milliseconds(max(stop - start for start, stop in pairwise(times)))
    edges = gaps.ravel() * 1000 / recording.sampling_rate
    points = np.concatenate(([0.0], positions, edges, [recording.seconds * 1000]))
    is_gap_start = np.concatenate((np.zeros(1 + positions.size), np.arange(edges.size) % 2 == 0, [False]))
    order = np.argsort(points, kind="stable")
    lengths = np.diff(points[order])
    return round(float(lengths[is_gap_start[order][:-1] == 0].max(initial=0.0)), 1)
