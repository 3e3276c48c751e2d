"""Intervals and axis of the median beat: PR, QRS, QT, QTc and the axis of the QRS complex in the frontal plane.

Corrections of QT for the heart rate: Bazett HC (1920), Heart 7: 353-370; Fridericia LS (1920), Acta Med Scand 53:
469-486.
"""

import math
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from stream_agents.insights.beats import find_beats
from stream_agents.insights.contract import Insight, Needs
from stream_agents.insights.lead_names import canonical
from stream_agents.insights.median_beat import MedianBeat, representative_beat
from stream_agents.insights.quality import usable_leads
from stream_agents.insights.recording import Recording, Samples
from stream_agents.insights.statistics import median, quartiles
from stream_agents.insights.waves import Edge, Wave, Waves, waves

_LEAST_ALIKE = 3
# Every beat has a P wave, whose shape correlates with that of the median beat. If RR intervals are as irregular as in
# atrial fibrillation, it must be clearer.
_LIKE_P = 0.7
_LIKE_P_IRREGULAR = 0.9
_IRREGULAR = 0.12
# The end of a T wave is uncertain if the wave is low compared with the QRS complex, or if the leads disagree about it.
_LEAST_T = 0.08
_MOST_T_SPREAD_MS = 25.0


class Intervals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Intervals and axis of the median beat on all usable leads.

    A spread is how far the value could be off: how blurred the ends of the wave are, and how far the leads disagree.
    """

    alike_beats: Annotated[
        int,
        Meta(
            title="beats of the median beat",
            description="beats of the same shape, whose median is measured",
            ge=0,
            extra={"unit": "1"},
        ),
    ]
    pr_ms: Annotated[
        float | None,
        Meta(title="PR", description="onset of the P wave to onset of QRS", extra={"unit": "ms", "loinc": "8625-6"}),
    ] = None
    pr_spread_ms: Annotated[
        float | None, Meta(title="PR spread", description="spread of PR", extra={"unit": "ms", "spread_of": "pr_ms"})
    ] = None
    qrs_onset_ms: Annotated[
        float | None,
        Meta(
            title="QRS onset from the beat",
            description="time from the position of a beat to the onset of its QRS complex, negative if before; the "
            "intervals lead from there to the onsets and ends of the other waves",
            extra={"unit": "ms"},
        ),
    ] = None
    qrs_ms: Annotated[
        float | None,
        Meta(
            title="QRS",
            description="duration of the QRS complex, without the spikes of a pacemaker",
            extra={"unit": "ms", "loinc": "8633-0"},
        ),
    ] = None
    qrs_spread_ms: Annotated[
        float | None,
        Meta(title="QRS spread", description="spread of QRS", extra={"unit": "ms", "spread_of": "qrs_ms"}),
    ] = None
    qt_ms: Annotated[
        float | None,
        Meta(title="QT", description="onset of QRS to end of the T wave", extra={"unit": "ms", "loinc": "8634-8"}),
    ] = None
    qt_spread_ms: Annotated[
        float | None, Meta(title="QT spread", description="spread of QT", extra={"unit": "ms", "spread_of": "qt_ms"})
    ] = None
    qtc_bazett_ms: Annotated[
        float | None,
        Meta(
            title="QTc (Bazett)",
            description="QT divided by the square root of the median RR in seconds",
            extra={"unit": "ms", "loinc": "8636-3"},
        ),
    ] = None
    qtc_fridericia_ms: Annotated[
        float | None,
        Meta(
            title="QTc (Fridericia)",
            description="QT divided by the cube root of the median RR in seconds",
            extra={"unit": "ms", "loinc": "8636-3"},
        ),
    ] = None
    qrs_axis_deg: Annotated[
        float | None,
        Meta(
            title="QRS axis",
            description="axis of the QRS complex in the frontal plane",
            extra={"unit": "deg", "loinc": "8632-2"},
        ),
    ] = None
    qrs_axis_spread_deg: Annotated[
        float | None,
        Meta(
            title="QRS axis spread",
            description="spread of the axis over beats",
            extra={"unit": "deg", "spread_of": "qrs_axis_deg"},
        ),
    ] = None
    absent: Annotated[
        dict[str, str], Meta(title="absent", description="why a measurement is absent, by its field")
    ] = {}


def intervals(recording: Recording) -> Intervals:
    """Return the intervals and the axis of the median beat on all usable leads."""
    beat = recording.once(representative_beat)
    if beat is None or beat.alike < _LEAST_ALIKE:
        return _nothing(recording, 0 if beat is None else beat.alike)
    onset, end, t, p = recording.once(waves_of)
    found: dict[str, float | None] = {}
    absent: dict[str, str] = {}
    ms = 1000 / beat.rate
    found["qrs_onset_ms"] = round((onset.at - beat.mark) * ms, 1)
    found |= _between("qrs", onset, end, ms)
    reason = _no_t(t, ms)
    if t is None or reason:
        absent |= dict.fromkeys(("qt_ms", "qtc_bazett_ms", "qtc_fridericia_ms"), reason)
    else:
        found |= _between("qt", onset, t.edge, ms)
        qt = (t.edge.at - onset.at) * ms
        found |= {
            "qtc_bazett_ms": round(qt / math.sqrt(beat.rr), 1),
            "qtc_fridericia_ms": round(qt / math.cbrt(beat.rr), 1),
        }
    reason = _no_p(recording, p)
    if p is None or reason:
        absent["pr_ms"] = reason
    else:
        found |= _between("pr", p.edge, onset, ms)
    axis = _axis(recording, beat, onset, end)
    if axis is None:
        absent["qrs_axis_deg"] = "needs two usable limb leads with an ADC gain"
    else:
        found |= axis
    return Intervals(alike_beats=beat.alike, absent=absent, **found)


INSIGHT: Final = Insight(
    name="intervals",
    version=4,
    scope="ecg",
    needs=Needs(sampling_rate=100.0, seconds=2.0),
    result=Intervals,
    compute=intervals,
    summary=("qrs_ms", "qtc_fridericia_ms"),
)
_MEASURED: Final = ("pr_ms", "qrs_ms", "qt_ms", "qtc_bazett_ms", "qtc_fridericia_ms", "qrs_axis_deg")


def waves_of(recording: Recording) -> Waves:
    """Return the waves of the recording's median beat.

    Raises:
        ValueError: if there is no median beat.
    """
    beat = recording.once(representative_beat)
    if beat is None:
        raise ValueError("a recording without beats has no waves")
    return waves(beat)


def has_p_wave(recording: Recording) -> bool:
    """Return True if a P wave precedes the QRS complex beat by beat. There must be a median beat."""
    beat = recording.once(representative_beat)
    onset, _, _, p = recording.once(waves_of)
    if beat is None or p is None:
        return False
    irregular = irregularity(recording.once(find_beats).positions) > _IRREGULAR
    return _p_likeness(beat, p, onset) >= (_LIKE_P_IRREGULAR if irregular else _LIKE_P)


def irregularity(positions: Samples) -> float:
    """Return the median change from one RR interval to the next, relative to the median RR interval."""
    rr = positions[1:] - positions[:-1]
    return float(median(np.abs(rr[1:] - rr[:-1])) / median(rr)) if rr.size > 1 else 0.0


def _nothing(recording: Recording, alike: int) -> Intervals:
    reason = f"fewer than {_LEAST_ALIKE} alike beats" if recording.once(usable_leads).any() else "no usable lead"
    return Intervals(alike_beats=alike, absent=dict.fromkeys(_MEASURED, reason))


def _between(name: str, first: Edge, last: Edge, ms: float) -> dict[str, float | None]:
    return {
        f"{name}_ms": round((last.at - first.at) * ms, 1),
        f"{name}_spread_ms": round(math.hypot(first.spread, last.spread) * ms, 1),
    }


def _no_t(t: Wave | None, ms: float) -> str:
    """Return why the end of the T wave cannot be told, or an empty string."""
    if t is None:
        return "no room for a T wave before the next beat"
    if median(t.height[t.height >= 0.25 * t.height.max()]) < _LEAST_T:
        return "the T wave is too flat"
    return "leads disagree about the end of the T wave" if t.edge.spread * ms >= _MOST_T_SPREAD_MS else ""


def _no_p(recording: Recording, p: Wave | None) -> str:
    """Return why the onset of the P wave cannot be told, or an empty string."""
    if p is None:
        return "no room for a P wave after the T wave before"
    return "" if recording.once(has_p_wave) else "no P wave that precedes the QRS complexes regularly"


def _p_likeness(beat: MedianBeat, p: Wave, onset: Edge) -> float:
    """Return the median correlation of the beats' P waves with that of the median beat, over all leads."""
    window = slice(max(0, int(p.edge.at - 0.01 * beat.rate)), max(int(p.edge.at) + 2, int(onset.at)))
    each = beat.beats[:, :, window]
    each = each - each.mean(axis=2, keepdims=True)
    typical = beat.values[:, window] - beat.values[:, window].mean(axis=1, keepdims=True)
    scale = np.sqrt(np.einsum("lbw,lbw->l", each, each))
    scale[scale == 0] = 1.0
    leads, beats, width = each.shape
    rows = (each / scale[:, None, None]).transpose(1, 0, 2).reshape(beats, leads * width)
    template = (typical / scale[:, None]).ravel()
    norm = np.sqrt(np.einsum("bw,bw->b", rows, rows) * (template @ template))
    return float(median(rows @ template / np.where(norm > 0, norm, 1.0)))


def _axis(recording: Recording, beat: MedianBeat, onset: Edge, end: Edge) -> dict[str, float | None] | None:
    """Return the axis and its spread from the areas of the QRS complex in two limb leads, or None without them."""
    window = slice(int(onset.at), int(end.at) + 2)
    area: dict[str, Samples] = {}
    for row, index in enumerate(beat.leads):
        lead = recording.leads[index]
        if lead.adc_gain is not None and (name := canonical(lead.name)) in ("I", "II", "III", "aVF"):
            area.setdefault(
                name, np.append(beat.beats[row, :, window].sum(axis=1), beat.values[row, window].sum()) / lead.adc_gain
            )
    if "I" in area and "aVF" in area:
        i, f = area["I"], area["aVF"]
    elif "I" in area and "II" in area:
        i, f = area["I"], area["II"] - area["I"] / 2
    elif "I" in area and "III" in area:
        i, f = area["I"], area["III"] + area["I"] / 2
    elif "II" in area and "III" in area:
        i, f = area["II"] - area["III"], (area["II"] + area["III"]) / 2
    else:
        return None
    angle = np.degrees(np.arctan2(f * 2 / math.sqrt(3), i))
    off = (angle[:-1] - angle[-1] + 180) % 360 - 180
    low, _, high = quartiles(off)
    return {"qrs_axis_deg": round(float(angle[-1]), 1), "qrs_axis_spread_deg": round((high - low) / 2, 1)}
