"""What insights are computed from: the leads of one ECG with a known sampling rate."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.ecg import Lead, Signal

Samples = NDArray[np.float64]
Range = tuple[int, int]
_Found = TypeVar("_Found")

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
    """The leads of one ECG, with what several insights need computed at most once.

    Raises:
        ValueError: without leads, without a sampling rate above 0, or if `missing` is not one sequence for each lead.
    """

    def __init__(
        self,
        leads: Sequence[Lead],
        sampling_rate: float,
        missing: Sequence[Sequence[Range]] | None = None,
        chunk_seconds: float = CHUNK_SECONDS,
    ) -> None:
        """Take leads, the sampling rate in Hz, and for each lead the ranges `[start, stop)` of missing samples.

        Leads may differ in length: a shorter one is missing from its end on.
        """
        if not leads or not sampling_rate > 0:
            raise ValueError("an insight needs leads and a sampling rate above 0")
        if missing is not None and len(missing) != len(leads):
            raise ValueError(f"missing ranges of {len(missing)} leads were given for {len(leads)}")
        self.leads = tuple(leads)
        self.sampling_rate = float(sampling_rate)
        self.length = max(lead.signal.size for lead in leads)
        given = missing or [()] * len(leads)
        self.missing: tuple[tuple[Range, ...], ...] = tuple(
            _ranges(ranges, lead.signal.size, self.length) for ranges, lead in zip(given, leads, strict=True)
        )
        self.factor = max(1, int(self.sampling_rate // _RATE))
        self.rate = self.sampling_rate / self.factor
        self._chunk_seconds = chunk_seconds
        self._found: dict[Callable[[Recording], Any], Any] = {}

    def once(self, compute: Callable[["Recording"], _Found]) -> _Found:
        """Return what a pure function computes of this recording, which it does the first time only."""
        if compute not in self._found:
            self._found[compute] = compute(self)
        found: _Found = self._found[compute]
        return found

    @property
    def seconds(self) -> float:
        """Return the length of the longest lead in seconds."""
        return self.length / self.sampling_rate

    @cached_property
    def extremes(self) -> tuple[tuple[int, int], ...]:
        """Return the lowest and the highest sample of each lead, (0, 0) for one without any."""
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
        """Return all samples at the working rate if one chunk holds them, shape (leads, n), or None."""
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
        total = values[:, :: self.factor].copy()
        for offset in range(1, self.factor):
            total += values[:, offset :: self.factor]
        total /= self.factor
        return total

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
        """Return the samples of a block at the working rate: an even number."""
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


def _ranges(ranges: Sequence[Range], size: int, length: int) -> tuple[Range, ...]:
    inside = ((max(0, start), min(size, stop)) for start, stop in ranges)
    found = sorted((start, stop) for start, stop in inside if start < stop)
    if size < length:
        found.append((size, length))
    joined: list[Range] = []
    for start, stop in found:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
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
