"""EDF, EDF+ and BDF, the European Data Format and BioSemi's 24-bit form of it."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg_client.recordings.recording import Recording, UnreadableRecording
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
                (signal.label.strip() or f"lead {number}", _about_zero(signal))
                for number, signal in enumerate(signals, start=1)
            ]
            date = _date(file)
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    except Exception as error:  # whatever a broken file makes the reader raise; its text may hold a patient's name
        raise UnreadableRecording(f"no EDF or BDF file: {type(error).__name__}") from None
    if not continuous:
        raise UnreadableRecording("the recording has gaps (EDF+D), which would be joined")
    typed = [(_TYPE.sub("", name, count=1), signal) for name, signal in leads if _ECG.match(name)]
    left_out = [name for name, _ in leads if not _ECG.match(name)] if typed else []
    notes = dict.fromkeys(str(warning.message) for warning in told)
    if left_out:
        notes[f"left out, as they are no ECGs: {', '.join(left_out)}"] = None
    return Recording(tuple(Lead(name, signal) for name, signal in typed or leads), date, tuple(notes))


def _about_zero(signal: "EdfSignal | BdfSignal") -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the digital samples about the value that stands for zero volts."""
    low, high = signal.digital_range
    least, most = signal.physical_range
    zero = round(low - least * (high - low) / (most - least)) if most != least else 0
    return signal.digital.astype(np.int64) - zero


def _date(file: "Edf | Bdf") -> str | None:
    try:
        return file.startdatetime.isoformat()
    except ValueError:  # anonymised, or not filled in
        return None
