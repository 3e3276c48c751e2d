"""The input of insights: the leads of one ECG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Ecg, Lead, Signal
from stream_agents.insights.lead_names import canonical

Samples = NDArray[np.float64]
Range = tuple[int, int]
_Result = TypeVar("_Result")

# A chunk of a long recording is computed alone, with a margin on each side that all filters and running statistics fit
# into: results do not depend on where chunks begin, and memory does not depend on the length of the recording.
CHUNK_SECONDS = 240.0
MARGIN_SECONDS = 16.0
# More leads than a clinical ECG has get shorter chunks.
_LEADS_OF_A_FULL_CHUNK = 16
BLOCK_SECONDS = 2.0
# Wide enough for the QRS complex (IEC 60601-2-25: 150 Hz is for amplitudes), half as much to compute.
_RATE = 250.0


class Chunk(NamedTuple):
    """A part of a recording at the working rate, with its margins.

    Attributes:
        values: samples of all leads, shape (leads, n), in each lead's own unit.
        start: index of the first sample in the recording, at the working rate.
        inner: the indices within `values` that this chunk answers for, without margins.
    """

    values: Samples
    start: int
    inner: slice


class Recording:
    """The leads of one ECG, and the results that several insights share.

    Args:
        leads: at least one. They may differ in length: the end of a shorter one is missing.
        sampling_rate: in Hz, or None if it is unknown; only insights that do not need it can then be computed.
        chunk_seconds: the length of a chunk of a long recording.

    Attributes:
        sampling_rate: in Hz, or 0 if it is unknown.
        length: the samples of the longest lead.
        factor: the number of samples that are averaged into one of the working rate.
        rate: the working rate in Hz.
    """

    def __init__(
        self, leads: Sequence[Lead], sampling_rate: float | None, chunk_seconds: float = CHUNK_SECONDS
    ) -> None:
        self.leads = tuple(leads)
        self.sampling_rate = float(sampling_rate or 0.0)
        self.length = max(lead.signal.size for lead in leads)
        self.factor = max(1, int(self.sampling_rate // _RATE))
        self.rate = self.sampling_rate / self.factor
        self._chunk_seconds = chunk_seconds
        self._shared: dict[Callable[[Recording], Any], Any] = {}

    @classmethod
    def of(cls, ecg: Ecg) -> "Recording":
        """Return the recording of an ECG."""
        return cls(ecg.leads, ecg.sampling_rate)

    def once(self, compute: Callable[["Recording"], _Result]) -> _Result:
        """Return the result of a pure function of this recording, which is called the first time only."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        result: _Result = self._shared[compute]
        return result

    @property
    def seconds(self) -> float:
        """The length of the longest lead in seconds; 0 if the sampling rate is unknown."""
        return self.length / self.sampling_rate if self.sampling_rate else 0.0

    @cached_property
    def names(self) -> Mapping[str, int]:
        """The first lead of each name by its usual spelling, as an index."""
        found: dict[str, int] = {}
        for index, lead in enumerate(self.leads):
            found.setdefault(canonical(lead.name) or lead.name, index)
        return found

    @cached_property
    def missing(self) -> tuple[tuple[Range, ...], ...]:
        """For each lead the ranges `[start, stop)` of its missing samples, ascending and apart."""
        return tuple(_missing(lead, self.length) for lead in self.leads)

    @cached_property
    def extremes(self) -> tuple[tuple[int, int], ...]:
        """The lowest and the highest sample of each lead; (0, 0) for a lead without samples."""
        return tuple(_extremes(self.present(index)) for index in range(len(self.leads)))

    def present(self, index: int) -> list[Signal]:
        """Return the parts of a lead that are not missing, each of shape (n,)."""
        signal = self.leads[index].signal
        if not self.missing[index]:
            return [signal]
        edges = [0, *(edge for span in self.missing[index] for edge in span), signal.size]
        return [signal[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]

    @cached_property
    def whole(self) -> Samples | None:
        """All samples at the working rate if one chunk holds them, shape (leads, n), or None."""
        return self.read(0, self.length // self.factor) if self.seconds <= self._chunk_seconds else None

    def read(self, start: int, stop: int) -> Samples:
        """Return samples `[start, stop)` at the working rate, shape (leads, n).

        The mean of the lead's extremes is subtracted in integers, so that no offset costs precision. Missing samples
        hold the value before them; each sample is the mean of `factor` samples of the recording.
        """
        first, last = start * self.factor, stop * self.factor
        values = np.empty((len(self.leads), last - first))
        for row, lead, (low, high), missing in zip(values, self.leads, self.extremes, self.missing, strict=True):
            part = lead.signal[first:last]
            _centred(part, (low + high) // 2, row[: part.size])
            row[part.size :] = row[part.size - 1] if part.size else 0.0
            for begin, end in missing:
                a, b = max(begin, first) - first, min(end, last) - first
                if a < b:
                    row[a:b] = row[a - 1] if a else (row[b] if b < row.size else 0.0)
        if self.factor == 1:
            return values
        means = sums(values, self.factor)
        means /= self.factor
        return means

    def chunks(self) -> Iterator[Chunk]:
        """Yield the recording in chunks with margins; their inner parts follow each other without gaps."""
        length = self.length // self.factor
        if self.whole is not None:
            yield Chunk(self.whole, 0, slice(0, length))
            return
        # On the grid of the blocks whose statistics thresholds and weights come from.
        block = self.block
        seconds = self._chunk_seconds * min(1.0, _LEADS_OF_A_FULL_CHUNK / len(self.leads))
        step = block * max(4, int(seconds / BLOCK_SECONDS))
        margin = block * int(np.ceil(MARGIN_SECONDS / BLOCK_SECONDS))
        for start in range(0, length, step):
            first, last = max(0, start - margin), min(length, start + step + margin)
            yield Chunk(self.read(first, last), first, slice(start - first, min(length, start + step) - first))

    @property
    def block(self) -> int:
        """The samples of a block at the working rate: an even number."""
        return max(2, 2 * round(BLOCK_SECONDS * self.rate / 2))

    def absent(self, chunk: Chunk) -> NDArray[np.bool_] | None:
        """Return which samples of a chunk are missing, shape (leads, n), or None if none is."""
        if not any(self.missing):
            return None
        found = np.zeros(chunk.values.shape, np.bool_)
        for row, ranges in zip(found, self.missing, strict=True):
            for begin, end in ranges:
                first = max(0, begin // self.factor - chunk.start)
                row[first : max(0, -(-end // self.factor) - chunk.start)] = True
        return found


def sums(values: Samples, factor: int) -> Samples:
    """Return the sums of every `factor` samples, of arrays of shape (leads, n) with n a multiple of it.

    Slices are added, because NumPy's own sum along a short axis takes many times as long.
    """
    if factor == 1:
        return values
    total: Samples = values[:, ::factor] + values[:, 1::factor]
    for offset in range(2, factor):
        total += values[:, offset::factor]
    return total


def _missing(lead: Lead, length: int) -> tuple[Range, ...]:
    found = [(first, first + count) for first, count in lead.missing]
    if lead.signal.size < length:
        found.append((lead.signal.size, length))
    joined: list[Range] = []
    for start, stop in found:
        if joined and start == joined[-1][1]:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return tuple(joined)


def _extremes(parts: list[Signal]) -> tuple[int, int]:
    low = [int(np.minimum.reduce(part)) for part in parts if part.size]
    high = [int(np.maximum.reduce(part)) for part in parts if part.size]
    return (min(low), max(high)) if low else (0, 0)


def _centred(signal: Signal, centre: int, out: Samples) -> None:
    """Write `signal - centre` into `out`; unsigned for int64, where the difference may overflow."""
    if signal.dtype != np.int64:
        np.subtract(signal, float(centre), out=out)
        return
    wide = signal.astype(np.int64, copy=False)
    above = wide >= centre
    reference = np.array(centre, np.int64).view(np.uint64)
    distance = np.where(above, wide.view(np.uint64) - reference, reference - wide.view(np.uint64))
    np.copyto(out, distance)
    np.negative(out, out=out, where=~above)
