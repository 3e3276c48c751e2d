"""Synthetic 12-lead ECGs whose beats and intervals are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Lead
from stream_agents.insights.recording import Recording

NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
# Peaks of P, Q, R, S and T in mV on I, II and the chest leads; the other limb leads follow from I and II.
_WAVES = {
    "I": (0.10, -0.05, 0.7, -0.1, 0.25),
    "II": (0.15, -0.08, 1.1, -0.2, 0.35),
    "V1": (0.06, 0.1, 0.3, -1.1, 0.10),
    "V2": (0.07, 0.1, 0.5, -1.4, 0.45),
    "V3": (0.08, -0.05, 0.9, -0.9, 0.5),
    "V4": (0.08, -0.1, 1.4, -0.6, 0.45),
    "V5": (0.08, -0.1, 1.3, -0.3, 0.4),
    "V6": (0.08, -0.1, 1.0, -0.15, 0.3),
}
_MIXED = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


@dataclass(frozen=True)
class Heart:
    """What the beats look like, in seconds."""

    pr: float = 0.16
    qrs: float = 0.09
    qt: float = 0.38
    p: float = 1.0
    t: float = 1.0
    spikes: bool = False


def signals(
    beats: Sequence[float] | NDArray[np.float64],
    rate: float,
    seconds: float,
    heart: Heart = Heart(),
    *,
    noise_mv: float = 0.01,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return twelve leads in mV, shape (12, n), of QRS complexes whose onsets are at `beats`, in seconds."""
    time = np.arange(round(seconds * rate)) / rate
    shapes = np.zeros((5, time.size))
    pacing = np.zeros(time.size)
    for onset in beats:
        near = slice(max(0, int((onset - 0.5) * rate)), max(0, int((onset + 0.8) * rate)))
        t = time[near] - onset
        end = heart.qrs
        shapes[0, near] += _hump(t, -heart.pr, -heart.pr + 0.1)
        shapes[1, near] += _arc(t, 0, 0.3 * end)
        shapes[2, near] += _arc(t, 0.2 * end, 0.75 * end)
        shapes[3, near] += _arc(t, 0.65 * end, end)
        shapes[4, near] += _hump(t, heart.qt - 0.18, heart.qt)
        pacing[near] += 3.0 * ((t >= -0.030) & (t < -0.028))
    shapes[0] *= heart.p
    shapes[4] *= heart.t
    leads = {name: np.array(peaks) @ shapes for name, peaks in _WAVES.items()}
    for name, (one, two) in _MIXED.items():
        leads[name] = one * leads["I"] + two * leads["II"]
    found = np.array([leads[name] for name in NAMES])
    if heart.spikes:
        found += pacing * np.sign(found.mean(axis=1, keepdims=True) + 1e-9)
    return found + noise_mv * np.random.default_rng(seed).standard_normal(found.shape)


def regular(rr: float, seconds: float, first: float = 0.6) -> NDArray[np.float64]:
    """Return the onsets of regular beats that are inside a recording as a whole."""
    return np.arange(first, seconds - 0.6, rr)


def digitised(values: NDArray[np.float64], gain: float = 1000.0, offset: int = 0) -> list[NDArray[np.int64]]:
    """Return samples in ADC units: `gain` of them are a millivolt."""
    return [np.rint(row * gain).astype(np.int64) + offset for row in values]


def recording(
    values: NDArray[np.float64], rate: float, names: Sequence[str] = NAMES, gain: float = 1000.0, offset: int = 0
) -> Recording:
    """Return signals in mV as a recording."""
    return Recording(
        [Lead(name, row, gain) for name, row in zip(names, digitised(values, gain, offset), strict=True)], rate
    )


def _arc(time: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    inside = (time > start) & (time < stop)
    return np.sin(np.pi * (time - start) / (stop - start)) * inside


def _hump(time: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    return _arc(time, start, stop) ** 2
