"""A synthetic 12-lead ECG.

Every beat is a sum of Gaussians for P, Q, R, S and T, following McSharry PE, Clifford GD, Tarassenko L, Smith LA,
"A dynamical model for generating synthetic electrocardiogram signals", IEEE Trans Biomed Eng 50(3), 2003.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SAMPLING_RATE_HZ = 500
UNITS_PER_MV = 1000

# Centre and width of each wave in seconds about the R peak.
_CENTRES = np.array([-0.17, -0.035, 0.0, 0.035, 0.25])
_WIDTHS = np.array([0.025, 0.010, 0.011, 0.010, 0.045])
# Amplitudes of P, Q, R, S and T in mV. The other limb leads follow from I and II.
_AMPLITUDES: Mapping[str, tuple[float, ...]] = {
    "I": (0.08, -0.05, 0.70, -0.10, 0.20),
    "II": (0.14, -0.08, 1.10, -0.15, 0.30),
    "V1": (0.05, 0.00, 0.25, -0.90, -0.05),
    "V2": (0.06, 0.00, 0.50, -1.30, 0.35),
    "V3": (0.07, -0.02, 0.80, -0.90, 0.40),
    "V4": (0.08, -0.05, 1.30, -0.50, 0.40),
    "V5": (0.08, -0.07, 1.40, -0.25, 0.35),
    "V6": (0.08, -0.07, 1.10, -0.10, 0.28),
}
_ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def synthesise(seconds: float = 10.0, heart_rate: float = 68.0, seed: int = 0) -> dict[str, NDArray[np.int16]]:
    """Return the leads by name, each of shape (500 * seconds,), int16, in units of 1/1000 mV.

    The limb leads obey Einthoven's and Goldberger's equations up to the rounding of each lead.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * SAMPLING_RATE_HZ)) / SAMPLING_RATE_HZ
    intervals = rng.normal(60 / heart_rate, 0.02 * 60 / heart_rate, size=int(seconds * heart_rate / 60) + 4)
    peaks = np.cumsum(intervals) - intervals[0] / 2
    offsets = times[:, None] - peaks[None, :]
    waves = np.stack(
        [np.exp(-(((offsets - c) / w) ** 2) / 2).sum(axis=1) for c, w in zip(_CENTRES, _WIDTHS, strict=True)]
    )
    leads = {name: np.asarray(amplitudes) @ waves + _noise(times, rng) for name, amplitudes in _AMPLITUDES.items()}
    one, two = leads["I"], leads["II"]
    leads |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return {name: np.rint(leads[name] * UNITS_PER_MV).astype(np.int16) for name in _ORDER}


def _noise(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the baseline wander of breathing and the noise of electrodes, in mV."""
    wander = 0.03 * np.sin(2 * np.pi * (0.25 * times + rng.random()))
    return wander + rng.normal(0.0, 0.008, size=times.size)
