"""EDF, EDF+ and BDF, the European Data Format and BioSemi's 24-bit form of it."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg_client.recordings.recording import Recording, UnreadableRecording, adc_gain
from shared.ecg import Lead

if TYPE_CHECKING:
    from edfio import Bdf, BdfSignal, Edf, EdfSignal

# EDF+ has labels begin with the type of the signal (Kemp B., Olivan J., Clin Neurophysiol 114, 2003, standard texts).
_ECG = re.compile(r"(?:ECG|EKG)(?![a-z])", re.IGNORECASE)
_TYPE = re.compile(r"(?:ECG|EKG)\s+(?=[a-z])", re.IGNORECASE)


def read_edf(path: Path) -> Recording:
    """Read an EDF, EDF+ or BDF file; zero becomes the digital value of zero volts.

    Where labels say which signals are ECGs (`ECG II`, `EKG`), only these are leads; `ECG II` is lead II.

    Raises:
        UnreadableRecording: if `edfio` is not installed, the file cannot be read, or its recording has gaps.
    """
    try:
        import edfio  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableRecording("reading EDF and BDF files needs the package edfio: pip install edfio") from None
    try:
        # Of files that are shorter than their header says, or not quite standard, and can be read.
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            file: Edf | Bdf = edfio.read_bdf(path) if path.suffix.lower() == ".bdf" else edfio.read_edf(path)
            continuous = file.is_continuous
            signals: tuple[EdfSignal | BdfSignal, ...] = file.signals
            leads = [
                Lead(signal.label.strip() or f"lead {number}", _about_zero(signal), _gain(signal))
                for number, signal in enumerate(signals, start=1)
            ]
            rates = [signal.sampling_frequency for signal in signals]
            date = _date(file)
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    except Exception as error:  # whatever a broken file makes the reader raise; its text may hold a patient's name
        raise UnreadableRecording(f"no EDF or BDF file: {type(error).__name__}") from None
    if not continuous:
        raise UnreadableRecording("the recording has gaps (EDF+D), which would be joined")
    typed = [i for i, lead in enumerate(leads) if _ECG.match(lead.name)]
    left_out = [lead.name for i, lead in enumerate(leads) if i not in typed] if typed else []
    notes = dict.fromkeys(str(warning.message) for warning in told)
    if left_out:
        notes[f"left out, as they are no ECGs: {', '.join(left_out)}"] = None
    chosen = typed or range(len(leads))
    distinct = {rates[i] for i in chosen}
    if len(distinct) > 1:
        notes["leads differ in their sampling rate, which is left out"] = None
    named = tuple(
        Lead(_TYPE.sub("", lead.name, count=1) if typed else lead.name, lead.signal, lead.adc_gain)
        for lead in (leads[i] for i in chosen)
    )
    return Recording(named, date, tuple(notes), distinct.pop() if len(distinct) == 1 else None)


def _about_zero(signal: "EdfSignal | BdfSignal") -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the digital samples about the value that stands for zero volts."""
    low, high = signal.digital_range
    least, most = signal.physical_range
    zero = round(low - least * (high - low) / (most - least)) if most != least else 0
    return signal.digital.astype(np.int64) - zero


def _gain(signal: "EdfSignal | BdfSignal") -> float | None:
    """Return the digital units of one millivolt, or None if the signal is no voltage."""
    low, high = signal.digital_range
    least, most = signal.physical_range
    return adc_gain((high - low) / (most - least), signal.physical_dimension.strip()) if most != least else None


def _date(file: "Edf | Bdf") -> str | None:
    try:
        return file.startdatetime.isoformat()
    except ValueError:  # anonymised, or not filled in
        return None
