"""Bare numbers of CSV and NumPy files, and their conversion to samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.channels import Channel
from ecg_client.recordings.missing import ranges_of
from ecg_client.recordings.recording import Calibration, UnreadableRecording, integers
from ecg_client.recordings.units import in_a_millivolt

# Per millivolt: a nanovolt is far below the noise of any electrode.
_FINEST = 1e6
# The decimals of a file are not exact as doubles.
_RELATIVE = 1e-12
# A signal with fewer steps than these after rounding is not an ECG any more.
_FEWEST_STEPS = 8


@dataclass(frozen=True)
class Column:
    """The numbers of one channel, shape (n,), integers or floats, and their unit, empty if unknown.

    NaN is missing, and so are the numbers at which `missing`, shape (n,), is True.
    """

    name: str
    values: NDArray[Any]
    unit: str = ""
    missing: NDArray[np.bool_] | None = None


def channels_of(
    columns: Sequence[Column], calibration: Calibration, rate: float | None, notes: list[str]
) -> list[Channel]:
    """Return a channel for each column.

    Numbers with a known unit are scaled by a power of ten that keeps all their decimals, down to a nanovolt.

    Raises:
        UnreadableRecording: if a sample is not an integer of 64 bits, or a scale leaves nothing of a signal.
    """
    units = [
        calibration.unit if not column.unit else column.unit if in_a_millivolt(column.unit) is not None else ""
        for column in columns
    ]
    other = ", ".join(c.name for c, unit in zip(columns, units, strict=True) if c.unit and not unit)
    if calibration.unit and other:
        notes.append(f"the given unit is not used, because the file states its own: {other}")
    decimals: dict[str, int] = {}
    if not calibration.is_explicit:
        for unit in dict.fromkeys(filter(None, units)):
            decimals[unit] = max(
                _decimals(column.values, unit) for column, own in zip(columns, units, strict=True) if own == unit
            )
            if decimals[unit]:
                step = f"0.{'1'.zfill(decimals[unit])}"
                notes.append(f"so that no decimals are lost, an ADC unit is {step} {unit}")
    return [
        replace(_channel(column, unit, calibration, decimals.get(unit, 0), notes), rate=rate)
        for column, unit in zip(columns, units, strict=True)
    ]


def _channel(column: Column, unit: str, calibration: Calibration, decimals: int, notes: list[str]) -> Channel:
    name, values = column.name, column.values
    if values.dtype.kind not in "iuf":
        raise UnreadableRecording(f"{name}: must hold numbers")
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    if column.missing is not None:
        missing |= column.missing
    if missing.any():
        # Without a baseline, 0 keeps integers what they are.
        values = np.where(missing, calibration.baseline or 0, values)
    scale = 10.0**decimals if calibration.scale is None else calibration.scale
    samples = values
    if calibration.is_explicit or decimals:
        exact = (values.astype(np.float64) - calibration.baseline) * scale
        samples = np.rint(exact)
        _check_left(exact[~missing], samples[~missing], name, calibration.is_explicit)
        if decimals and not are_whole(exact):
            notes.append(f"{name}: is rounded to nanovolts")
    factor = in_a_millivolt(unit)
    gain = None if factor is None else factor * abs(scale)
    return Channel(name, integers(samples, name), gain, column.unit, missing=ranges_of(missing))


def _decimals(values: NDArray[Any], unit: str) -> int:
    """Return the largest number of decimals of the numbers, at most down to a nanovolt."""
    if values.dtype.kind != "f":
        return 0
    present = values[np.isfinite(values)]
    decimals, factor = 0, in_a_millivolt(unit) or 1.0
    while factor * 10.0 ** (decimals + 1) <= _FINEST and not are_whole(present * 10.0**decimals):
        decimals += 1
    return decimals


def are_whole(values: NDArray[np.float64]) -> bool:
    """Return True if all numbers are integers within the precision of a double."""
    with np.errstate(invalid="ignore"):  # infinities are refused later, with their lead's name
        return bool(np.all(np.abs(values - np.rint(values)) <= _RELATIVE * np.abs(values)))


def _check_left(exact: NDArray[np.float64], samples: NDArray[np.float64], name: str, given: bool) -> None:
    """Refuse a scale that leaves nothing of a signal, or a given one that leaves only a few steps."""
    if not exact.size or not np.all(np.isfinite(exact)):
        return
    steps = samples.max() - samples.min()
    if steps == 0 and exact.max() != exact.min():
        left = "nothing of the signal, because all samples would be equal"
    elif given and steps < _FEWEST_STEPS and not are_whole(exact):
        left = f"only {int(steps)} steps of the signal"
    else:
        return
    raise UnreadableRecording(f"{name}: the scale leaves {left}: give another scale, or the unit")
