"""QRS detectors and delineators of other libraries, as alternatives: on one lead, in millivolts."""

import warnings
from collections.abc import Mapping

import biosppy.signals.ecg as biosppy
import neurokit2
import numpy as np
import sleepecg
from numpy.typing import NDArray
from wfdb import processing

from validation.matching import Indices
from validation.measure import Detector


def _xqrs(signal: NDArray[np.float64], rate: float) -> Indices:
    return np.asarray(processing.xqrs_detect(signal, rate, verbose=False), np.int64)


def _neurokit(signal: NDArray[np.float64], rate: float) -> Indices:
    clean = neurokit2.ecg_clean(signal, sampling_rate=int(rate))
    return np.asarray(neurokit2.ecg_peaks(clean, sampling_rate=int(rate))[1]["ECG_R_Peaks"], np.int64)


def _pan_tompkins(signal: NDArray[np.float64], rate: float) -> Indices:
    clean = neurokit2.ecg_clean(signal, sampling_rate=int(rate), method="pantompkins1985")
    found = neurokit2.ecg_peaks(clean, sampling_rate=int(rate), method="pantompkins1985")[1]["ECG_R_Peaks"]
    return np.asarray(found, np.int64)


def _sleepecg(signal: NDArray[np.float64], rate: float) -> Indices:
    return np.asarray(sleepecg.detect_heartbeats(signal, rate), np.int64)


def _hamilton(signal: NDArray[np.float64], rate: float) -> Indices:
    return np.asarray(biosppy.hamilton_segmenter(signal, rate)["rpeaks"], np.int64)


DETECTORS: Mapping[str, Detector] = {
    "wfdb xqrs": _xqrs,
    "neurokit2 default": _neurokit,
    "neurokit2 pantompkins": _pan_tompkins,
    "sleepecg": _sleepecg,
    "biosppy hamilton": _hamilton,
}


def delineated(signal: NDArray[np.float64], rate: float) -> Mapping[str, float | None]:
    """Return PR, QRS and QT of one lead in ms by neurokit2's wavelets: the medians over beats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean = neurokit2.ecg_clean(signal, sampling_rate=int(rate))
            peaks = neurokit2.ecg_peaks(clean, sampling_rate=int(rate))[1]["ECG_R_Peaks"]
            found = neurokit2.ecg_delineate(clean, peaks, sampling_rate=int(rate), method="dwt")[1]
        except (ValueError, IndexError, KeyError, ZeroDivisionError, TypeError):
            return dict.fromkeys(("pr", "qrs", "qt"))
        p, start, end, t = (
            np.asarray(found[f"ECG_{name}"], float) for name in ("P_Onsets", "R_Onsets", "R_Offsets", "T_Offsets")
        )
        ms = 1000 / rate
        return {"pr": _median(start - p, ms), "qrs": _median(end - start, ms), "qt": _median(t - start, ms)}


def _median(values: NDArray[np.float64], ms: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) * ms if known.size else None
