"""NumPy's own files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.bare_numbers import Column, channels_of
from ecg_client.recordings.channels import choose, recording_of
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording
from ecg_client.recordings.table_clock import Clock, clock_of, rate_of
from ecg_client.recordings.table_heading import heading_of


def read_numpy(path: Path, calibration: Calibration) -> Recording:
    """Read an array of one lead or of several along its shorter axis, or an archive with an array for each lead.

    The fields of a structured array and the arrays of an archive name the leads; otherwise they are `lead 1` and so on.
    Clocks and sample numbers are left out; a clock gives the sampling rate. NaN is a missing sample.

    Raises:
        UnreadableRecording: if it is not a NumPy file, or its arrays are not leads.
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            named, is_named = _leads(arrays), bool(arrays.dtype.names)
        else:
            with arrays:
                named = [(name, arrays[name]) for name in arrays.files]
            is_named = len(named) != 1 or named[0][1].ndim == 1 or bool(named[0][1].dtype.names)
            if len(named) == 1:
                named = _leads(named[0][1], named[0][0])
    except OSError as error:
        raise UnreadableRecording(error.strerror or "not a NumPy file") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise UnreadableRecording("not a NumPy file of numbers") from None
    if not any(values.size for _, values in named):
        raise UnreadableRecording("has no samples")
    notes: list[str] = []
    clocks = {i: clock for i, column in enumerate(named) if (clock := _clock(*column, len(named))) is not None}
    rate = rate_of(list(clocks.values()), notes)
    if len(clocks) == len(named):
        raise UnreadableRecording("has no ECG leads: all of its columns are clocks")
    named = [column for i, column in enumerate(named) if i not in clocks]
    if not is_named:
        named = [(f"lead {number}", values) for number, (_, values) in enumerate(named, start=1)]
    headings = [heading_of(name) for name, _ in named]
    chosen = choose([h.name for h in headings], [h.unit for h in headings], calibration.leads, notes)
    columns = [Column(headings[i].name, named[i][1], headings[i].unit) for i in chosen]
    return recording_of(channels_of(columns, calibration, rate, notes), None, notes)


def _clock(name: str, values: NDArray[Any], columns: int) -> Clock | None:
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf":
        return None
    is_whole = values.dtype.kind in "iu" and values.dtype != np.uint64
    return clock_of(heading_of(name), values.astype(np.int64 if is_whole else np.float64), columns > 1)


def _leads(array: NDArray[Any], name: str = "column 1") -> list[tuple[str, NDArray[Any]]]:
    if array.dtype.names:
        return [(field, array[field]) for field in array.dtype.names]
    if array.ndim == 1:
        return [(name, array)]
    if array.ndim != 2:  # noqa: PLR2004 - leads and samples
        raise UnreadableRecording(f"must be an array of leads and samples, not an array of shape {array.shape}")
    # An ECG has far fewer leads than samples.
    rows = array if array.shape[0] <= array.shape[1] else array.T
    return [(f"column {number}", row) for number, row in enumerate(rows, start=1)]
