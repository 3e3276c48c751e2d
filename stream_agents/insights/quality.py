"""The quality of each lead: its disturbances, their amplitudes, and whether measurements can use it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from shared.ecg import Lead
from stream_agents.insights.contract import Insight, Needs
from stream_agents.insights.lead_names import canonical
from stream_agents.insights.recording import MOST_LEADS, Chunk, Recording, Samples
from stream_agents.insights.statistics import median

# A lead is not used if more than this share of the recording is affected.
_MOST_MISSING = 0.5
_MOST_FLAT = 0.5
_MOST_SATURATED = 0.1
# Shares of the lead's own amplitude without the disturbance, so that they hold for any gain: noise of a
# standard deviation of 0.15 has a range (six of them) as large as the QRS complexes.
_MOST_WANDER = 1.0
_MOST_HUM = 0.3
_MOST_MUSCLE = 0.15
# The range of a second of noise, in standard deviations.
_NOISE_RANGE = 5.0
# A clipped wave stays at the limit longer than the tip of a sound wave.
_SATURATED_SECONDS = 0.024
_FLAT_MV = 0.005
_MAINS_HZ = (50.0, 60.0)
# Standard deviation of white noise per mean absolute second difference: sqrt(pi / 2) / sqrt(6).
_PER_SECOND_DIFFERENCE = 0.5117
# Mean absolute value of a sine of amplitude 1.
_OF_SINE = 0.6366

Reason = Literal["missing", "flat", "saturated", "baseline_wander", "mains_hum", "muscle_noise"]
DEAD: Final[frozenset[Reason]] = frozenset({"missing", "flat", "saturated"})
_ONLY_WANDER: Final[frozenset[Reason]] = frozenset({"baseline_wander"})


class LeadQuality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quality of one lead. Amplitudes are absent without an ADC gain, and if most of the lead is missing."""

    usable: Annotated[bool, Meta(title="usable", description="whether beats and intervals are measured on this lead")]
    reasons: Annotated[tuple[Reason, ...], Meta(title="reasons", description="why it is not usable")] = ()
    missing_fraction: Annotated[
        float, Meta(title="missing", description="share of samples that are missing", extra={"unit": "1"})
    ]
    flat_fraction: Annotated[
        float, Meta(title="flat", description="share of seconds without any change", extra={"unit": "1"})
    ]
    saturated_fraction: Annotated[
        float,
        Meta(title="saturated", description="share of samples that stay at the lead's limit", extra={"unit": "1"}),
    ]
    amplitude_mv: Annotated[
        float | None,
        Meta(title="amplitude", description="median range of the signal within a second", extra={"unit": "mV"}),
    ] = None
    baseline_wander_mv: Annotated[
        float | None,
        Meta(
            title="baseline wander",
            description="standard deviation of the baseline, below 0.5 Hz",
            extra={"unit": "mV"},
        ),
    ] = None
    mains_hum_mv: Annotated[
        float | None,
        Meta(title="mains hum", description="amplitude at 50 or 60 Hz, whichever is larger", extra={"unit": "mV"}),
    ] = None
    muscle_noise_mv: Annotated[
        float | None,
        Meta(
            title="muscle noise",
            description="standard deviation of wideband noise between the QRS complexes",
            extra={"unit": "mV"},
        ),
    ] = None


def lead_quality(recording: Recording) -> tuple[LeadQuality, ...]:
    """Return the quality of each lead, in the order of the leads."""
    missing = [
        int((ranges[:, 1] - ranges[:, 0]).sum()) / recording.length if ranges.size else 0.0
        for ranges in recording.missing
    ]
    # The others are not even read: there may be a thousand of them.
    there = [index for index, fraction in enumerate(missing) if fraction <= _MOST_MISSING]
    found = dict(zip(there, _summaries(recording, there), strict=True))
    saturated = _saturated(recording, there)
    return tuple(
        _judge(recording.leads[index], fraction, saturated.get(index, 0.0), found[index])
        if index in found
        else _missing(fraction)
        for index, fraction in enumerate(missing)
    )


INSIGHT: Final = Insight(
    name="quality",
    version=1,
    scope="lead",
    needs=Needs(sampling_rate=100.0),
    result=LeadQuality,
    compute=lead_quality,
    summary=("usable",),
)


def usable_leads(recording: Recording) -> NDArray[np.bool_]:
    """Return the leads that intervals are measured on, shape (leads,): usable ones, and ECG leads by name."""
    quality = recording.once(lead_quality)
    return np.asarray(heart_leads(recording) & np.array([lead.usable for lead in quality]))


def live_leads(recording: Recording) -> NDArray[np.bool_]:
    """Return the leads that beats are searched on, shape (leads,): the usable ones, and those with baseline wander.

    If noise makes all of them unusable, those that are not missing, flat or saturated: a beat stands out of more noise
    than an interval can be measured in.
    """
    quality = recording.once(lead_quality)
    heart = heart_leads(recording)
    sound = heart & np.array([_ONLY_WANDER.issuperset(lead.reasons) for lead in quality])
    if sound.any():
        return np.asarray(sound)
    return np.asarray(heart & np.array([DEAD.isdisjoint(lead.reasons) for lead in quality]))


def heart_leads(recording: Recording) -> NDArray[np.bool_]:
    """Return which leads have names of ECG leads, or all if none has: a pulse wave must not count as beats."""
    known = np.array([canonical(lead.name) is not None for lead in recording.leads])
    return known if known.any() else ~known


def _summaries(recording: Recording, leads: Sequence[int]) -> Iterator[Mapping[str, float]]:
    """Yield each lead's statistics of blocks of one second, summarised over all blocks, in the lead's units."""
    for start in range(0, len(leads), MOST_LEADS):
        group = leads[start : start + MOST_LEADS]
        found = _summary(recording, group)
        rows = zip(*(values.tolist() for values in found.values()), strict=True)
        yield from (dict(zip(found, row, strict=True)) for row in rows)


def _summary(recording: Recording, leads: Sequence[int]) -> Mapping[str, Samples]:
    parts = [_statistics(recording, chunk) for chunk in recording.chunks(leads)]
    extent, mean, hum, noise = (np.concatenate(found, axis=1) for found in zip(*parts, strict=True))
    mains = median(hum.transpose(0, 2, 1))
    of_mains = ((mains * _noise_of_mains(recording.rate)) ** 2).sum(axis=1)
    mean -= mean.mean(axis=1, keepdims=True)
    floor = np.array([_flat_below(recording.leads[index]) for index in leads])[:, None]
    return {
        "amplitude": median(extent),
        "flat": (extent <= floor).sum(axis=1) / extent.shape[1],
        "wander": np.sqrt(np.einsum("lb,lb->l", mean, mean) / mean.shape[1]),
        "hum": mains.max(axis=1),
        "muscle": np.sqrt(np.maximum(0.0, median(noise) ** 2 - of_mains)),
    }


@lru_cache(maxsize=32)
def _noise_of_mains(rate: float) -> Samples:
    """Return by mains frequency the wideband noise that hum of amplitude 1 adds, which is not that of muscles."""
    curvature = 2 - 2 * np.cos(2 * np.pi * np.array(_MAINS_HZ) / rate)
    return np.asarray(_OF_SINE * _PER_SECOND_DIFFERENCE * curvature)


def _statistics(recording: Recording, chunk: Chunk) -> tuple[Samples, Samples, Samples, Samples]:
    """Return range, mean, mains hum and wideband noise of each block of a chunk, each of shape (leads, blocks)."""
    values = chunk.values[:, chunk.inner]
    leads, length = values.shape
    size = max(1, min(length, round(recording.rate)))
    count = length // size
    blocks = values[:, : count * size].reshape(leads, count, size)
    if length < 3 or not count:  # noqa: PLR2004 - a second difference
        nothing = np.zeros((leads, 1))
        return nothing, nothing, np.zeros((leads, 1, len(_MAINS_HZ))), nothing
    # Products with weights: faster than means over short axes.
    waves = blocks @ _weights(size, recording.rate)
    mean, hum = waves[..., 0], np.hypot(waves[..., 1::2], waves[..., 2::2])
    slope = values[:, 1:] - values[:, :-1]
    curvature = slope[:, 1:] - slope[:, :-1]
    np.abs(curvature, out=curvature)
    short = max(1, size // 10)
    pieces = curvature.shape[1] // short
    noise = curvature[:, : pieces * short].reshape(leads, pieces, short) @ _equal(short) if pieces else curvature
    return blocks.max(axis=2) - blocks.min(axis=2), mean, hum, noise * _PER_SECOND_DIFFERENCE


@lru_cache(maxsize=32)
def _equal(size: int) -> Samples:
    """Return the weights that give the mean, shape (size,)."""
    return np.full(size, 1 / size)


@lru_cache(maxsize=32)
def _weights(size: int, rate: float) -> Samples:
    """Return the weights that give the mean, and amplitudes at the mains' frequencies, shape (size, 1 + 2 for each)."""
    phase = np.outer(_MAINS_HZ, np.arange(size)) * (2 * np.pi / rate)
    # Above half the sampling rate they cannot be told from other frequencies.
    seen = np.repeat(np.array(_MAINS_HZ) < rate / 2, 2)
    waves = np.stack((np.cos(phase), np.sin(phase)), axis=1).reshape(-1, size)
    window = np.hanning(size + 2)[1:-1]
    window /= window.sum()
    return np.ascontiguousarray(np.vstack((_equal(size), 2 * waves * window * seen[:, None])).T)


def _flat_below(lead: Lead) -> float:
    return 0.0 if lead.adc_gain is None else _FLAT_MV * lead.adc_gain


def _missing(fraction: float) -> LeadQuality:
    return LeadQuality(
        usable=False,
        reasons=("missing",),
        missing_fraction=round(fraction, 4),
        flat_fraction=0.0,
        saturated_fraction=0.0,
    )


def _judge(lead: Lead, missing: float, saturated: float, found: Mapping[str, float]) -> LeadQuality:
    amplitude, hum, muscle = found["amplitude"], found["hum"], found["muscle"]
    # Missing samples hold their last value.
    flat = max(0.0, found["flat"] - missing)
    limits: tuple[tuple[Reason, float, float], ...] = (
        ("flat", flat, _MOST_FLAT),
        ("saturated", saturated, _MOST_SATURATED),
        ("baseline_wander", found["wander"], _MOST_WANDER * amplitude),
        ("mains_hum", hum, _MOST_HUM * max(0.0, amplitude - 2 * hum)),
        ("muscle_noise", muscle, _MOST_MUSCLE * max(0.0, amplitude - _NOISE_RANGE * muscle)),
    )
    reasons = tuple(name for name, value, most in limits if value > most)
    if "flat" in reasons:
        reasons = tuple(name for name in reasons if name in DEAD)

    def millivolts(value: float) -> float | None:
        return None if lead.adc_gain is None else round(value / lead.adc_gain, 4)

    return LeadQuality(
        usable=not reasons,
        reasons=reasons,
        missing_fraction=round(missing, 4),
        flat_fraction=round(flat, 4),
        saturated_fraction=round(saturated, 4),
        amplitude_mv=millivolts(amplitude),
        baseline_wander_mv=millivolts(found["wander"]),
        mains_hum_mv=millivolts(hum),
        muscle_noise_mv=millivolts(muscle),
    )


def _saturated(recording: Recording, leads: Sequence[int]) -> Mapping[int, float]:
    """Return the share of samples at the lowest or highest value for longer than the tip of a wave, by lead, if any."""
    shortest = max(3, round(_SATURATED_SECONDS * recording.sampling_rate))
    if recording.stacked is not None:
        # A run has one of these samples.
        some, limits = recording.stacked[:, ::shortest], np.array(recording.extremes)
        at_limit = ((some == limits[:, :1]) | (some == limits[:, 1:])).any(axis=1)
        leads = [lead for lead in leads if at_limit[lead]]
    return {lead: _saturated_share(recording, lead, shortest) for lead in leads}


def _saturated_share(recording: Recording, index: int, shortest: int) -> float:
    low, high = recording.extremes[index]
    if low == high:
        return 0.0
    signal, present = recording.leads[index].signal, recording.present(index)
    count = 0
    for limit in (low, high):
        there = signal == limit
        if present is not None:
            there &= present
        # Most leads are at their limit for a few samples only.
        if np.count_nonzero(there) >= shortest:
            count += _in_runs(np.flatnonzero(there), shortest)
    return count / (signal.size if present is None else int(np.count_nonzero(present)))


def _in_runs(at: NDArray[np.intp], shortest: int) -> int:
    """Return how many of some increasing indices are in runs of successive ones of at least `shortest`."""
    if at.size < shortest:
        return 0
    # `at` increases: `shortest` of them are in a row where the last is that much above the first.
    in_row = at[shortest - 1 :] - at[: 1 - shortest] == shortest - 1
    if not in_row.any():
        return 0
    ends = np.flatnonzero(np.append(at[1:] - at[:-1] > 1, True))
    lengths = ends - np.concatenate(([-1], ends[:-1]))
    return int(lengths[lengths >= shortest].sum())
