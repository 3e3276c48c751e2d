"""The result of every reader, and the calibration that a caller gives."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg_client.errors import ClientError
from ecg_client.recordings.units import in_a_millivolt
from shared.ecg import (
    Content,
    Lead,
    check_adc_gain,
    check_date,
    check_label,
    check_lead_count,
    check_lead_name,
    check_sampling_rate,
)
from shared.errors import InvalidEcg

_INT64 = np.iinfo(np.int64)


class UnreadableRecording(ClientError):  # noqa: N818 - it is what the recording is
    """The recording cannot be read, or is not an ECG that the pipeline accepts; the message says why."""


class NoRecording(UnreadableRecording):
    """The file is whole and holds something else, such as a text or an image: no part of an ECG is lost with it."""


@dataclass(frozen=True)
class Recording:
    """A recording: its leads in ADC units with zero at the isoelectric line, when it began (ISO 8601), its sampling
    rate in Hz, and the reader's notes.

    Date, sampling rate and a lead's ADC gain are None if unknown. `label` is the name in its owner's list: only JSON
    files contain one. `file_name` is the name, without folders, of the file that it was read from, or None: sent again,
    the same file is the same ECG.
    """

    leads: tuple[Lead, ...]
    date: str | None = None
    notes: tuple[str, ...] = ()
    sampling_rate: float | None = None
    label: str | None = None
    file_name: str | None = None

    @classmethod
    def of(
        cls,
        leads: Mapping[str, ArrayLike] | Iterable[tuple[str, ArrayLike]],
        date: str | None = None,
        *,
        sampling_rate: float | None = None,
        adc_gain: float | None = None,
        label: str | None = None,
    ) -> "Recording":
        """Return a recording of leads by name; names may repeat in a list of pairs.

        Args:
            sampling_rate: samples per second, Hz.
            adc_gain: ADC units of one millivolt, of every lead.
            label: its name in its owner's list.

        Raises:
            UnreadableRecording: if a sample is not an integer of 64 bits, or a name, a number or the date breaks
                the schema.
        """
        pairs = leads.items() if isinstance(leads, Mapping) else leads
        named = tuple(Lead(name, integers(signal, name), adc_gain) for name, signal in pairs)
        return checked(cls(named, date, sampling_rate=sampling_rate, label=label))

    @property
    def content(self) -> Content:
        """The recording as a submission holds it."""
        return Content(self.date, self.leads, self.sampling_rate, self.label)


@dataclass(frozen=True)
class Calibration:
    """What the caller knows about a file that does not state it.

    The numbers of CSV and NumPy files are ADC units, or voltages in `unit` unless the file names a unit. With `scale`
    or `baseline`, samples are (value - `baseline`) * `scale`, rounded: `baseline` is the value of the isoelectric line,
    `scale` the number of ADC units per unit of the file. `sampling_rate` (Hz) and `adc_gain` (ADC units per millivolt)
    are for files of any format that lack them. `leads` are the names of the channels to read; empty means all that may
    be leads.
    """

    baseline: float = 0
    scale: float | None = None
    sampling_rate: float | None = None
    adc_gain: float | None = None
    unit: str = ""
    leads: tuple[str, ...] = ()

    @property
    def is_explicit(self) -> bool:
        """True if the samples are computed from scale and baseline."""
        return self.scale is not None or self.baseline != 0

    def check(self) -> None:
        """Check scale, baseline and unit.

        Raises:
            UnreadableRecording: if one of them is invalid.
        """
        if self.scale is not None and not 0 < abs(self.scale) < math.inf:
            raise UnreadableRecording("the scale must be a number other than 0: 0 leaves nothing of the signal")
        if not math.isfinite(self.baseline):
            raise UnreadableRecording("the baseline must be a number")
        if self.unit and in_a_millivolt(self.unit) is None:
            raise UnreadableRecording("the unit must be mV, uV, nV or V")

    def complete(self, recording: Recording) -> Recording:
        """Return a recording with the values that it lacks; a note says which given values the file overrides."""
        notes = list(recording.notes)
        leads = recording.leads
        if self.adc_gain is not None:
            known = [lead.name for lead in leads if lead.adc_gain not in (None, self.adc_gain)]
            if known:
                notes.append(f"the given ADC gain is not used, because the file states its own: {', '.join(known)}")
            leads = tuple(
                msgspec.structs.replace(lead, adc_gain=self.adc_gain) if lead.adc_gain is None else lead
                for lead in leads
            )
        rate = recording.sampling_rate
        if self.sampling_rate is not None and rate not in (None, self.sampling_rate):
            notes.append("the given sampling rate is not used, because the file states its own")
        return replace(
            recording, leads=leads, sampling_rate=self.sampling_rate if rate is None else rate, notes=tuple(notes)
        )


def integers(
    values: ArrayLike, where: str, remedy: str = "; fractions, such as millivolts, need a unit or a scale"
) -> NDArray[np.signedinteger[Any]]:
    """Return samples as signed integers, shape (n,), with the same values.

    Args:
        values: the samples.
        where: the place of the samples, with which the message of an error begins.
        remedy: the advice about fractions, with which it ends.

    Raises:
        UnreadableRecording: if they are not integers of 64 bits, or have more than one dimension.
    """
    samples = np.asarray(values)
    if samples.ndim != 1:
        raise UnreadableRecording(f"{where}: must be one row of samples, not an array of shape {samples.shape}")
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
    # 2**63, the first float that is too large, is exact.
    if not (np.isfinite(samples).all() and (samples >= _INT64.min).all() and (samples < -float(_INT64.min)).all()):
        raise UnreadableRecording(f"{where}: must hold integers of 64 bits")
    if (samples != np.rint(samples)).any():
        raise UnreadableRecording(f"{where}: must hold integers{remedy}")
    return samples.astype(np.int64)


def checked(recording: Recording) -> Recording:
    """Return a recording whose fields all meet the schema.

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
                lead.missing,
            )
            for i, lead in enumerate(recording.leads)
        )
        rate = check_sampling_rate(recording.sampling_rate)
        date, label = check_date(recording.date), check_label(recording.label)
        return replace(recording, leads=leads, date=date, sampling_rate=rate, label=label)
    except InvalidEcg as error:
        raise UnreadableRecording(str(error)) from None
