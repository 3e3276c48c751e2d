"""What every reader returns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.ecg import Lead, check_date, check_lead_count, check_lead_name
from shared.errors import InvalidEcg

_INT64 = np.iinfo(np.int64)


class UnreadableRecording(Exception):  # noqa: N818 - it is what the recording is
    """The recording cannot be read, or is no ECG that the pipeline takes; the message says why."""


@dataclass(frozen=True)
class Recording:
    """A recording's leads about their isoelectric line, in ADC units, when it began (ISO 8601), and what a reader
    should know of them.
    """

    leads: tuple[Lead, ...]
    date: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, leads: Mapping[str, ArrayLike] | Iterable[tuple[str, ArrayLike]], date: str | None = None
    ) -> "Recording":
        """Return a recording of leads by name; names may repeat in a list of pairs.

        Raises:
            UnreadableRecording: if a sample is no integer of 64 bits, or a name, the date or their number breaks
                the schema.
        """
        pairs = leads.items() if isinstance(leads, Mapping) else leads
        named = tuple(Lead(name, integers(signal, name)) for name, signal in pairs)
        return checked(cls(named, date))


@dataclass(frozen=True)
class Calibration:
    """What formats of bare numbers do not say: a sample is (value - `baseline`) * `scale`, rounded.

    `baseline` is the value of the isoelectric line, `scale` the ADC units of one unit of the file: 1000 makes
    microvolts of millivolts.
    """

    baseline: float = 0
    scale: float = 1

    def apply(self, values: NDArray[Any], name: str, notes: "Notes") -> NDArray[np.signedinteger[Any]]:
        """Return the samples of a lead, shape (n,); NaN is missing.

        Raises:
            UnreadableRecording: if they are no integers of 64 bits.
        """
        samples = values
        if self != Calibration():
            if values.dtype.kind not in "iuf":
                raise UnreadableRecording(f"{name}: must hold numbers")
            samples = np.rint((values.astype(np.float64) - self.baseline) * self.scale)
        if values.dtype.kind == "f":
            samples = notes.without_missing(samples, np.isnan(values), name)
        return integers(samples, name)


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


def checked(recording: Recording) -> Recording:
    """Return a recording whose leads and date keep to the schema.

    Raises:
        UnreadableRecording: if one does not; the message names the field and the limit.
    """
    try:
        check_lead_count(len(recording.leads))
        for i, lead in enumerate(recording.leads):
            check_lead_name(lead.name, f"leads[{i}].name")
        check_date(recording.date)
    except InvalidEcg as error:
        raise UnreadableRecording(str(error)) from None
    return recording
