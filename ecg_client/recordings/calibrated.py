"""Samples that a file stores with a calibration: a factor and an offset in the same unit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.bare_numbers import Column, are_whole, channels_of
from ecg_client.recordings.channels import Channel
from ecg_client.recordings.missing import ranges_of
from ecg_client.recordings.recording import Calibration, integers
from ecg_client.recordings.units import adc_gain

_MOST = 2.0**53


def channel_of(column: Column, factor: float, offset: float, missing: NDArray[np.bool_], notes: list[str]) -> Channel:
    """Return the channel of stored samples, whose physical values are sample * `factor` + `offset` in their unit.

    The stored value of zero volts becomes 0. If it is not an integer, the physical values are scaled by a power of ten
    instead, so that no sample is rounded.

    Raises:
        UnreadableRecording: if a sample is not an integer of 64 bits.
    """
    stored: NDArray[Any] = np.where(missing, 0, column.values.astype(np.float64))
    zero = offset / factor if factor else 0.0
    if factor and are_whole(np.asarray([zero])) and are_whole(stored) and np.all(np.abs(stored) < _MOST):
        samples = np.where(missing, 0, stored + np.rint(zero))
        gain = adc_gain(1 / factor, column.unit)
        return Channel(column.name, integers(samples, column.name), gain, column.unit, missing=ranges_of(missing))
    physical = np.where(missing, np.nan, stored * factor + offset)
    [channel] = channels_of([Column(column.name, physical, column.unit)], Calibration(), None, notes)
    return channel
