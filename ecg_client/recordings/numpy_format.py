"""NumPy's own files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.bare_numbers import Column, channels_of
from ecg_client.recordings.channels import choose, recording_of
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording


def read_numpy(path: Path, calibration: Calibration) -> Recording:
    """Read an array of one lead or of several along its shorter axis, or an archive with an array for each lead.

    The fields of a structured array and the arrays of an archive name the leads; otherwise they are `lead 1` and so on.
    NaN is a missing sample.

    Raises:
        UnreadableRecording: if it is not a NumPy file, or its arrays are not leads.
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            named = _leads(arrays)
        else:
            with arrays:
                named = [(name, arrays[name]) for name in arrays.files]
            if len(named) == 1:
                named = _leads(named[0][1], named[0][0])
    except OSError as error:
        raise UnreadableRecording(error.strerror or "not a NumPy file") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise UnreadableRecording("not a NumPy file of numbers") from None
    notes: list[str] = []
    chosen = choose([name for name, _ in named], [""] * len(named), calibration.leads, notes)
    columns = [Column(*named[i]) for i in chosen]
    return recording_of(channels_of(columns, calibration, None, notes), None, notes)


def _leads(array: NDArray[Any], name: str = "lead 1") -> list[tuple[str, NDArray[Any]]]:
    if array.dtype.names:
        return [(field, array[field]) for field in array.dtype.names]
    if array.ndim == 1:
        return [(name, array)]
    if array.ndim != 2:  # noqa: PLR2004 - leads and samples
        raise UnreadableRecording(f"must be an array of leads and samples, not an array of shape {array.shape}")
    # An ECG has far fewer leads than samples.
    rows = array if array.shape[0] <= array.shape[1] else array.T
    return [(f"lead {number}", row) for number, row in enumerate(rows, start=1)]
