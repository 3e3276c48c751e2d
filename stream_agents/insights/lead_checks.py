"""Checks of the recording: limb leads that do not add up, swapped arm electrodes, unusual lead names.

Swapped arm electrodes turn lead I upside down. V6, on the same side of the heart, does not change, so the
correlation of I with V6 within the QRS complex, and of the P wave in I with those in V5 and V6, becomes negative.

Heden B et al. (1995), "Artificial neural networks for recognition of electrocardiographic lead reversal", Am J Cardiol
75: 929-933, use P wave and QRS complex; Kors JA, van Herpen G (2001), "Accurate automatic detection of electrode
interchange in the electrocardiogram", Am J Cardiol 88: 396-399, use how limb and chest leads determine each other.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from stream_agents.insights.contract import Insight, Needs
from stream_agents.insights.intervals import has_p_wave, waves_of
from stream_agents.insights.lead_names import canonical
from stream_agents.insights.median_beat import MedianBeat, representative_beat
from stream_agents.insights.recording import Recording, Samples
from stream_agents.insights.statistics import median
from stream_agents.insights.waves import Edge, Wave

# Einthoven's and Goldberger's equations: the sum of these is zero.
_EQUATIONS: Final[tuple[Mapping[str, float], ...]] = (
    {"I": 1, "II": -1, "III": 1},
    {"aVR": 1, "I": 0.5, "II": 0.5},
    {"aVL": 1, "I": -0.5, "III": 0.5},
    {"aVF": 1, "II": -0.5, "III": -0.5},
    {"aVR": 1, "aVL": 1, "aVF": 1},
)
# In sound recordings the sum is 2 microvolts at most, from rounding.
_MOST_SUM_MV = 0.05
_MOST_OF_RANGE = 0.05
# Without a P wave, the QRS complex alone has to be clearer.
_SWAPPED = -0.1
_SWAPPED_WITHOUT_P = -0.3


class LeadChecks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Signs that an ECG was recorded or labelled wrongly: look at these before trusting it."""

    limb_leads_add_up: Annotated[
        bool | None,
        Meta(title="limb leads add up", description="whether I + III = II, and the augmented leads follow from them"),
    ] = None
    limb_lead_error_mv: Annotated[
        float | None,
        Meta(
            title="limb lead error",
            description="largest deviation from these equations, 99th percentile",
            extra={"unit": "mV"},
        ),
    ] = None
    arm_electrodes_swapped: Annotated[
        bool | None,
        Meta(title="arm electrodes swapped", description="whether the electrodes of the arms seem to be swapped"),
    ] = None
    arm_electrodes_score: Annotated[
        float | None,
        Meta(
            title="arm electrodes score",
            description="agreement of lead I with V5 and V6, from -1 (swapped) to 1",
            extra={"unit": "1"},
        ),
    ] = None
    repeated_names: Annotated[
        tuple[str, ...], Meta(title="repeated names", description="lead names that occur more than once")
    ] = ()
    unknown_names: Annotated[
        tuple[str, ...], Meta(title="unknown names", description="lead names that are not those of ECG leads")
    ] = ()
    absent: Annotated[
        dict[str, str], Meta(title="absent", description="why a measurement is absent, by its field")
    ] = {}


def lead_checks(recording: Recording) -> LeadChecks:
    """Return the checks of a recording's leads."""
    names = [canonical(lead.name) or lead.name for lead in recording.leads]
    absent: dict[str, str] = {}
    add_up = _limb_leads(recording)
    if add_up is None:
        absent |= dict.fromkeys(("limb_leads_add_up", "limb_lead_error_mv"), "needs three limb leads with an ADC gain")
    score, reason = _arms(recording, names)
    swapped = None
    if score is None:
        absent |= dict.fromkeys(("arm_electrodes_swapped", "arm_electrodes_score"), reason)
    else:
        swapped = score < 0
    return LeadChecks(
        limb_leads_add_up=None if add_up is None else add_up[0],
        limb_lead_error_mv=None if add_up is None else round(add_up[1], 4),
        arm_electrodes_swapped=swapped,
        arm_electrodes_score=None if score is None else round(score, 3),
        repeated_names=tuple(name for name, count in Counter(names).items() if count > 1),
        unknown_names=tuple(dict.fromkeys(lead.name for lead in recording.leads if canonical(lead.name) is None)),
        absent=absent,
    )


INSIGHT: Final = Insight(
    name="lead_checks",
    version=1,
    scope="ecg",
    needs=Needs(sampling_rate=100.0, seconds=2.0),
    result=LeadChecks,
    compute=lead_checks,
)


def _limb_leads(recording: Recording) -> tuple[bool, float] | None:
    """Return whether limb leads add up, and by how many mV they do not, or None if too few are there."""
    rows = recording.names
    gains = {name: recording.leads[row].adc_gain for name, row in rows.items()}
    checked = [terms for terms in _EQUATIONS if all(gains.get(name) is not None for name in terms)]
    if not checked:
        return None
    weights = np.zeros((len(checked), len(recording.leads)))
    for weight, terms in zip(weights, checked, strict=True):
        for name, factor in terms.items():
            weight[rows[name]] = factor / (gains[name] or 1.0)
    used = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, used]
    error, size = 0.0, 0.0
    for chunk in recording.chunks(used.tolist()):
        values = chunk.values[:, chunk.inner]
        sums = weights @ values
        # An offset of a lead is no error of the others.
        sums -= median(sums)[:, None]
        error = max(error, float(_high(np.abs(sums)).max(initial=0.0)))
        size = max(
            size, float(((values.max(axis=1) - values.min(axis=1)) * np.abs(weights).max(axis=0)).max(initial=0.0))
        )
    return error <= max(_MOST_SUM_MV, _MOST_OF_RANGE * size), error


def _high(values: Samples) -> Samples:
    """Return the 99th percentile of each row."""
    at = min(values.shape[1] - 1, int(0.99 * values.shape[1]))
    return np.asarray(np.partition(values, at, axis=1)[:, at])


def _arms(recording: Recording, names: list[str]) -> tuple[float | None, str]:
    """Return how lead I agrees with V5 and V6, below 0 if the arms seem swapped, or None and the reason."""
    beat = recording.once(representative_beat)
    if beat is None:
        return None, "too few beats on usable leads"
    rows = {names[index]: row for row, index in reversed(list(enumerate(beat.leads)))}
    if "I" not in rows or "V6" not in rows:
        return None, "needs usable leads I and V6"
    if beat.spike_end is not None:
        return None, "paced"
    onset, end, _, p = recording.once(waves_of)
    window = slice(int(onset.at), int(end.at) + 1)
    qrs = _correlation(beat.values[rows["I"], window], beat.values[rows["V6"], window])
    if p is None or not recording.once(has_p_wave):
        return max(-1.0, min(1.0, qrs - _SWAPPED_WITHOUT_P)), ""
    likeness = [_p_correlation(beat, rows["I"], rows[name], p, onset) for name in ("V5", "V6") if name in rows]
    return max(-1.0, min(1.0, (qrs + sum(likeness) / len(likeness)) / 2 - _SWAPPED)), ""


def _p_correlation(beat: MedianBeat, first: int, second: int, p: Wave, onset: Edge) -> float:
    start = int(p.edge.at)
    stop = max(start + 2, min(int(onset.at), start + int(0.14 * beat.rate)))
    line = np.arange(stop - start) / (stop - start - 1)
    a, b = (
        part - (part[0] * (1 - line) + part[-1] * line)
        for part in (beat.values[first, start:stop], beat.values[second, start:stop])
    )
    return _correlation(a, b)


def _correlation(first: Samples, second: Samples) -> float:
    """Return the correlation of two signals around zero."""
    power = float((first @ first) * (second @ second))
    return float(first @ second) / power**0.5 if power > 0 else 0.0
