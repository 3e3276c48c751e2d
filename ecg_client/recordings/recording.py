"""What every reader returns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.ecg import (
    Content,
    Lead,
    check_adc_gain,
    check_date,
    check_lead_count,
    check_lead_name,
    check_sampling_rate,
)
from shared.errors import InvalidEcg

_INT64 = np.iinfo(np.int64)
# How many of the unit are in a millivolt; micro is written with either letter.
_IN_A_MILLIVOLT = {"V": 1e-3, "mV": 1.0, "uV": 1e3, "\u00b5V": 1e3, "\u03bcV": 1e3, "nV": 1e6}


class UnreadableRecording(Exception):  # noqa: N818 - it is what the recording is
    """The recording cannot be read, or is no ECG that the pipeline takes; the message says why."""


@dataclass(frozen=True)
class Recording:
    """A recording's leads about their isoelectric line, in ADC units, when it began (ISO 8601), its samples per second
    in Hz, and what a reader should know of them. Date and sampling rate may be unknown, as may a lead's ADC gain.
    """

    leads: tuple[Lead, ...]
    date: str | None = None
    notes: tuple[str, ...] = ()
    sampling_rate: float | None = None

    @classmethod
    def of(
        cls,
        leads: Mapping[str, ArrayLike] | Iterable[tuple[str, ArrayLike]],
        date: str | None = None,
        *,
        sampling_rate: float | None = None,
        adc_gain: float | None = None,
    ) -> "Recording":
        """Return a recording of leads by name; names may repeat in a list of pairs.

        Args:
            sampling_rate: samples per second, Hz.
            adc_gain: ADC units of one millivolt, of every lead.

        Raises:
            UnreadableRecording: if a sample is no integer of 64 bits, or a name, a number or the date breaks
                the schema.
        """
        pairs = leads.items() if isinstance(leads, Mapping) else leads
        named = tuple(Lead(name, integers(signal, name), adc_gain) for name, signal in pairs)
        return checked(cls(named, date, sampling_rate=sampling_rate))

    @property
    def content(self) -> Content:
        """The recording as a submission holds it."""
        return Content(self.date, self.leads, self.sampling_rate)


@dataclass(frozen=True)
class Calibration:
    """What a file does not say.

    Bare numbers, as in CSV and NumPy files, become samples by (value - `baseline`) * `scale`, rounded: `baseline` is
    the value of the isoelectric line, `scale` the ADC units of one unit of the file, so that 1000 makes microvolts of
    millivolts. `sampling_rate` (Hz) and `adc_gain` (ADC units of one millivolt) are for files, of any format, that
    lack them.
    """

    baseline: float = 0
    scale: float = 1
    sampling_rate: float | None = None
    adc_gain: float | None = None

    def apply(self, values: NDArray[Any], name: str, notes: "Notes") -> NDArray[np.signedinteger[Any]]:
        """Return the samples of a lead, shape (n,); NaN is missing.

        Raises:
            UnreadableRecording: if they are no integers of 64 bits.
        """
        samples = values
        if (self.baseline, self.scale) != (0, 1):
            if values.dtype.kind not in "iuf":
                raise UnreadableRecording(f"{name}: must hold numbers")
            samples = np.rint((values.astype(np.float64) - self.baseline) * self.scale)
        if values.dtype.kind == "f":
            samples = notes.without_missing(samples, np.isnan(values), name)
        return integers(samples, name)

    def complete(self, recording: Recording) -> Recording:
        """Return a recording with what it does not say itself."""
        leads = recording.leads
        if self.adc_gain is not None:
            leads = tuple(
                msgspec.structs.replace(lead, adc_gain=self.adc_gain) if lead.adc_gain is None else lead
                for lead in leads
            )
        rate = self.sampling_rate if recording.sampling_rate is None else recording.sampling_rate
        return replace(recording, leads=leads, sampling_rate=rate)


@dataclass
class Notes:
    """What a reader should know, collected while reading."""

    lines: list[str] = field(default_factory=list)

    def without_missing(self, values: NDArray[Any], missing: NDArray[np.bool_], name: str) -> NDArray[Any]:
        """Return values whose missing ones are 0, the isoelectric line: they cross nothing."""
        if not missing.any():
            return values
        self.lines.append(f"{name}: {int(missing.sum())} missing samples became 0")
        return np.where(missing, 0, values)


def integers(values: ArrayLike, where: str) -> NDArray[np.signedinteger[Any]]:
    """Return samples as signed integers, shape (n,), without changing any.

    Raises:
        UnreadableRecording: if they are no integers of 64 bits, or not in one row.
    """
    samples = np.asarray(values)
    if samples.ndim != 1:
        raise UnreadableRecording(f"{where}: must be one row of samples, not of shape {samples.shape}")
    if not samples.size:
        return samples.astype(np.int64)
    if samples.dtype.kind == "i":
        return samples
    if samples.dtype.kind == "u":
        if samples.max() > _INT64.max:
            raise UnreadableRecording(f"{where}: must hold integers of 64 bits")
        return samples.astype(np.int64)
    if samples.dtype.kind != "f":
        raise UnreadableRecording(f"{where}: must hold integers")
    # 2**63, the first float beyond, is exact.
    if not (np.isfinite(samples).all() and (samples >= _INT64.min).all() and (samples < -float(_INT64.min)).all()):
        raise UnreadableRecording(f"{where}: must hold integers of 64 bits")
    if (samples != np.rint(samples)).any():
        raise UnreadableRecording(f"{where}: must hold integers; fractions, as of millivolts, need a scale")
    return samples.astype(np.int64)


def adc_gain(gain: float, unit: str) -> float | None:
    """Return the ADC units of one millivolt, given those of one `unit`, or None if it is no unit of volts."""
    factor = _IN_A_MILLIVOLT.get(unit)
    return gain * factor if factor and gain > 0 else None


def checked(recording: Recording) -> Recording:
    """Return a recording whose leads, date and sampling rate keep to the schema.

    Raises:
        UnreadableRecording: if one does not; the message names the field and the limit.
    """
    try:
        check_lead_count(len(recording.leads))
        leads = tuple(
            Lead(
                check_lead_name(lead.name, f"leads[{i}].name"),
                lead.signal,
                check_adc_gain(lead.adc_gain, f"leads[{i}].adc_gain"),
            )
            for i, lead in enumerate(recording.leads)
        )
        rate = check_sampling_rate(recording.sampling_rate)
        return replace(recording, leads=leads, date=check_date(recording.date), sampling_rate=rate)
    except InvalidEcg as error:
        raise UnreadableRecording(str(error)) from None
