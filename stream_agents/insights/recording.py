"""The input of insights: the leads of one ECG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Ecg, Lead, Signal
from stream_agents.insights.lead_names import canonical

Samples = NDArray[np.float64]
Ranges = NDArray[np.int64]
"""Ranges `[start, stop)` of samples, shape (ranges, 2)."""
_Result = TypeVar("_Result")

# A chunk of a long recording is computed alone, with a margin on each side that all filters and running statistics fit
# into: results do not depend on where chunks begin, and memory does not depend on the length of the recording.
CHUNK_SECONDS = 240.0
MARGIN_SECONDS = 16.0
# As many leads are read at once: more than a clinical ECG has. An ECG may have a thousand, of which all but one end at
# their first sample.
MOST_LEADS = 16
# As many samples are held at once before they are averaged, 32 MiB; a single lead that has more is read as a whole.
_MOST_SAMPLES = 1 << 22
BLOCK_SECONDS = 2.0
_NO_RANGES: Ranges = np.empty((0, 2), np.int64)
# Wide enough for the QRS complex (IEC 60601-2-25: 150 Hz is for amplitudes), half as much to compute.
_RATE = 250.0


class Chunk(NamedTuple):
    """A part of a recording at the working rate, with its margins.

    Attributes:
        leads: the indices of its leads in the recording.
        values: samples of these leads, shape (leads, n), in each lead's own unit.
        start: index of the first sample in the recording, at the working rate.
        inner: the indices within `values` that this chunk answers for, without margins.
    """

    leads: Sequence[int]
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

    def keep(self, compute: Callable[["Recording"], _Result], result: _Result) -> None:
        """Keep the result of a pure function, which was computed together with other recordings, in place of a call."""
        self._shared[compute] = result

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
    def missing(self) -> tuple[Ranges, ...]:
        """For each lead the ranges of its missing samples, ascending and apart."""
        return tuple(_missing(lead, self.length) for lead in self.leads)

    def missing_on_all(self, leads: Sequence[int]) -> Ranges:
        """Return the ranges that are missing on all of these leads: at least one, given by their indices."""
        missing = [self.missing[index] for index in leads]
        if not all(ranges.size for ranges in missing):
            return _NO_RANGES
        edges, place = np.unique(np.concatenate([ranges.ravel() for ranges in missing]), return_inverse=True)
        # The change in the number of leads that lack a sample: +1 at each start, -1 at each stop.
        change = np.zeros(edges.size, np.int64)
        np.add.at(change, place, 1 - 2 * (np.arange(place.size) % 2))
        at = np.flatnonzero(np.cumsum(change) == len(missing))
        return np.column_stack((edges[at], edges[at + 1]))

    @cached_property
    def stacked(self) -> Signal | None:
        """The samples of all leads, shape (leads, n), if one chunk holds them and none is missing, or None.

        None also for int64, whose differences may overflow.
        """
        if self.length == 0 or self.seconds > self._chunk_seconds or len(self.leads) > MOST_LEADS:
            return None
        if any(lead.missing or lead.signal.size < self.length for lead in self.leads):
            return None
        joined = np.concatenate([lead.signal for lead in self.leads])
        return None if joined.dtype == np.int64 else joined.reshape(len(self.leads), -1)

    @cached_property
    def extremes(self) -> tuple[tuple[int, int], ...]:
        """The lowest and the highest sample of each lead; (0, 0) for a lead without samples."""
        if self.stacked is not None:
            lowest, highest = self.stacked.min(axis=1), self.stacked.max(axis=1)
            return tuple(zip(lowest.tolist(), highest.tolist(), strict=True))
        return tuple(_extremes(lead.signal, self.present(index)) for index, lead in enumerate(self.leads))

    def present(self, index: int) -> NDArray[np.bool_] | None:
        """Return which samples of a lead are not missing, shape (n,), or None if none of them is."""
        if not self.leads[index].missing:
            return None
        return ~_within(self.missing[index], self.leads[index].signal.size)

    @cached_property
    def whole(self) -> Samples | None:
        """All samples at the working rate if one chunk holds them, shape (leads, n), or None."""
        if self.seconds > self._chunk_seconds or len(self.leads) > MOST_LEADS:
            return None
        length = self.length // self.factor
        if self.stacked is None:
            return self.read(0, length, range(len(self.leads)))
        centres = np.array([(low + high) // 2 for low, high in self.extremes], np.float64)
        values = sums(self.stacked[:, : length * self.factor].astype(np.float64), self.factor)
        values -= self.factor * centres[:, None]
        values /= self.factor
        return values

    def read(self, start: int, stop: int, leads: Sequence[int]) -> Samples:
        """Return samples `[start, stop)` of leads at the working rate, shape (leads, n).

        The mean of the lead's extremes is subtracted in integers, so that no offset costs precision. Missing samples
        hold the value before them; each sample is the mean of `factor` samples of the recording.
        """
        first, last = start * self.factor, stop * self.factor
        if len(leads) > 1 and len(leads) * (last - first) > _MOST_SAMPLES:
            return np.concatenate([self.read(start, stop, [index]) for index in leads])
        values = np.zeros((len(leads), last - first))
        for row, index in zip(values, leads, strict=True):
            low, high = self.extremes[index]
            part = self.leads[index].signal[first:last]
            _centred(part, (low + high) // 2, row[: part.size])
            missing = _overlapping(self.missing[index], first, last)
            if missing.size:
                _fill(row, _within(missing - first, row.size))
        if self.factor == 1:
            return values
        means = sums(values, self.factor)
        means /= self.factor
        return means

    def chunks(self, leads: Sequence[int] | None = None) -> Iterator[Chunk]:
        """Yield leads in chunks with margins; their inner parts follow each other without gaps.

        Args:
            leads: the indices of at most `MOST_LEADS` leads; all by default.
        """
        chosen = range(len(self.leads)) if leads is None else leads
        length = self.length // self.factor
        if self.whole is not None:
            values = self.whole if len(chosen) == len(self.leads) else self.whole[list(chosen)]
            yield Chunk(chosen, values, 0, slice(0, length))
            return
        # On the grid of the blocks whose statistics thresholds and weights come from.
        block = self.block
        step = block * max(4, int(self._chunk_seconds / BLOCK_SECONDS))
        margin = block * int(np.ceil(MARGIN_SECONDS / BLOCK_SECONDS))
        for start in range(0, length, step):
            first, last = max(0, start - margin), min(length, start + step + margin)
            inner = slice(start - first, min(length, start + step) - first)
            yield Chunk(chosen, self.read(first, last, chosen), first, inner)

    @property
    def block(self) -> int:
        """The samples of a block at the working rate: an even number."""
        return max(2, 2 * round(BLOCK_SECONDS * self.rate / 2))

    def absent(self, chunk: Chunk) -> NDArray[np.bool_] | None:
        """Return which samples of a chunk are missing, shape (leads, n), or None if none is."""
        if not any(self.missing[index].size for index in chunk.leads):
            return None
        found = np.zeros(chunk.values.shape, np.bool_)
        first, last = chunk.start * self.factor, (chunk.start + chunk.values.shape[1]) * self.factor
        for row, index in zip(found, chunk.leads, strict=True):
            missing = _overlapping(self.missing[index], first, last)
            starts, stops = missing[:, 0] // self.factor, -(-missing[:, 1] // self.factor)
            row[:] = _within(np.column_stack((starts, stops)) - chunk.start, row.size)
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


def _missing(lead: Lead, length: int) -> Ranges:
    if not lead.missing and lead.signal.size == length:
        return _NO_RANGES
    found = [(first, first + count) for first, count in lead.missing]
    if lead.signal.size < length:
        found.append((lead.signal.size, length))
    ranges = np.array(found, np.int64).reshape(-1, 2)
    # Ranges that follow each other without a gap are one.
    apart = ranges[1:, 0] > ranges[:-1, 1]
    starts = ranges[np.append(True, apart), 0] if found else ranges[:, 0]
    stops = ranges[np.append(apart, True), 1] if found else ranges[:, 1]
    return np.column_stack((starts, stops))


def _overlapping(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the ranges that share samples with `[first, last)`."""
    if not ranges.size:
        return ranges
    return ranges[np.searchsorted(ranges[:, 1], first, "right") : np.searchsorted(ranges[:, 0], last)]


def _within(ranges: Ranges, size: int) -> NDArray[np.bool_]:
    """Return which of `size` samples are in one of the ranges, which may reach beyond them and overlap."""
    change = np.zeros(size + 1, np.int32)
    clipped = np.clip(ranges, 0, size)
    np.add.at(change, clipped[:, 0], 1)
    np.add.at(change, clipped[:, 1], -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)


def _fill(row: Samples, missing: NDArray[np.bool_]) -> None:
    """Give missing samples the value before them, or after them at the beginning, in place; zero if all are missing."""
    if missing.all():
        row[:] = 0.0
        return
    index = np.where(missing, -1, np.arange(row.size))
    np.maximum.accumulate(index, out=index)
    index[index < 0] = np.argmin(missing)
    row[:] = row[index]


def _extremes(signal: Signal, present: NDArray[np.bool_] | None) -> tuple[int, int]:
    found = signal if present is None else signal[present]
    return (int(np.minimum.reduce(found)), int(np.maximum.reduce(found))) if found.size else (0, 0)


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
