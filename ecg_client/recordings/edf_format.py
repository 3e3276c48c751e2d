"""EDF, EDF+ and BDF, the European Data Format and BioSemi's 24-bit form of it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.channels import choose
from ecg_client.recordings.content import open_blocks
from ecg_client.recordings.edf_header import MOST_HEADER_BYTES, Header, Signal, parse_header
from ecg_client.recordings.missing import Ranges, joined
from ecg_client.recordings.recording import UnreadableRecording
from ecg_client.recordings.stored import StoredChannel, StoredRecording
from ecg_client.recordings.units import adc_gain, is_other

_ONSET = re.compile(rb"[+-][0-9]+(?:\.[0-9]+)?")
# Onsets are decimal numbers that some recorders round.
_TOLERANCE = 1e-3
# Gaps may be longer than the recording, but a broken onset must not fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20
_FAR_APART = "has gaps that are far longer than the recording: split it at them"
_EDF_BYTES = 2
_MOST_ZERO = 2**52
_MOST_START = 2**53
_BYTES_AT_ONCE = 1 << 22

# The bytes of a number of data records from a first one on, shape (count, bytes of a data record).
Records = Callable[[int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class _File:
    """A file: its header, its data records and their number, and when each begins, in seconds.

    `onsets` is empty if the file does not say it, and so has no gaps.
    """

    header: Header
    records: Records
    stored: int
    onsets: Sequence[float]


@dataclass(frozen=True)
class _Series:
    """A signal, the number of its first sample in each data record, and its digital value of zero."""

    signal: Signal
    starts: Sequence[int]
    zero: int


def open_edf(path: Path, wanted: Sequence[str] = ()) -> StoredRecording:
    """Open an EDF, EDF+ or BDF file; the digital value of zero volts becomes 0.

    If labels say which signals are ECGs (`ECG II`, `EKG`), only these and usual names of leads are read; `ECG II` is
    lead II. Gaps between data records (EDF+D) are missing samples.

    Raises:
        UnreadableRecording: if the file cannot be read.
    """
    content = open_blocks(path)
    header = parse_header(content.read(0, MOST_HEADER_BYTES), content.size)
    record_bytes = header.record_samples * header.width
    stored, rest = divmod(content.size - header.size, record_bytes)
    if not stored:
        raise UnreadableRecording("has no samples: it holds no whole data record")
    notes = []
    if header.records not in (stored, -1):
        notes.append(f"the header announces {header.records} data records, and the file has {stored}")
    elif rest:
        notes.append(f"the file ends with {rest} bytes of an incomplete data record, which are left out")

    # The signals are read one after the other, and all of them are in each data record.
    @lru_cache(maxsize=1)
    def records(first: int, count: int) -> NDArray[np.uint8]:
        found = content.read(header.size + first * record_bytes, count * record_bytes)
        return np.frombuffer(found, np.uint8).reshape(count, record_bytes)

    onsets = _onsets(header, records, stored, notes)
    if header.is_discontinuous and not onsets:
        notes.append("its header says that it has gaps (EDF+D), but it does not say where, so they are left out")
    signals = [signal for signal in header.signals if not signal.annotations]
    if signals and not header.duration > 0:
        raise UnreadableRecording("byte 244: the duration of a data record must be above 0")
    if not signals:
        raise UnreadableRecording("holds annotations only, and no signals")
    names, units = [signal.label for signal in signals], [signal.unit for signal in signals]
    chosen = choose(names, units, wanted, notes, typed=True)
    channels = [_channel(signals[i], _File(header, records, stored, onsets), notes) for i in chosen]
    return StoredRecording(channels, header.began(onsets[0] if onsets else 0.0), notes, typed=True)


def _onsets(header: Header, records: Records, stored: int, notes: list[str]) -> list[float]:
    """Return the start of each data record in seconds; empty if the file does not say it, and so has no gaps."""
    timekeeping = next((signal for signal in header.signals if signal.annotations), None)
    if timekeeping is None:
        return []
    first, size = timekeeping.at * header.width, header.record_samples * header.width
    at_once = max(1, _BYTES_AT_ONCE // size)
    onsets, silent = [], []
    for begin in range(0, stored, at_once):
        for i, record in enumerate(records(begin, min(at_once, stored - begin)), start=begin):
            found = _ONSET.match(record[first : first + timekeeping.samples * header.width].tobytes())
            if found is None:
                silent.append(i)
            else:
                onsets.append(float(found[0]))
    if silent and (onsets or header.is_discontinuous):
        raise UnreadableRecording(
            f"byte {header.size + silent[0] * size + first}: data record {silent[0] + 1} does not say when it begins"
        )
    if silent:
        notes.append("none of its data records says when it begins, so they are read one after the other")
    return onsets


def _channel(signal: Signal, file: _File, notes: list[str]) -> StoredChannel:
    rate = signal.samples / file.header.duration
    span, reach = signal.most - signal.least, signal.high - signal.low
    units = reach / span if span and reach else None
    if units is None:
        notes.append(f"{signal.label}: its limits are equal, so its gain is left out")
    zero = np.rint(signal.low - signal.least * reach / span) if units is not None else 0.0
    if not abs(zero) <= _MOST_ZERO:
        raise UnreadableRecording(f"{signal.label}: its limits are too far from zero volts")
    gain = None if units is None else adc_gain(units, signal.unit)
    if units is not None and gain is None and not is_other(signal.unit):
        wrong = "its unit is not a unit of voltage" if signal.unit else "has no unit"
        notes.append(f"{signal.label}: {wrong}, so its gain is left out")
    starts = _starts(signal.samples, rate, file)
    size, stored = starts[-1] + signal.samples, file.stored * signal.samples
    if size > max(_LEAST_LIMIT, _MOST_GROWTH * stored):
        raise UnreadableRecording(_FAR_APART)
    read = partial(_read, _Series(signal, starts, int(zero)), file)
    return StoredChannel(signal.label, size, read, gain, signal.unit, rate, size - stored)


def _read(series: _Series, file: _File, first: int, count: int) -> tuple[NDArray[np.int64], Ranges]:
    """Return samples, 0 in the gaps between data records, and the gaps."""
    signal, starts = series.signal, series.starts
    begin, end = bisect_right(starts, first) - 1, bisect_left(starts, first + count)
    records = _digital(signal, file.header, file.records(begin, end - begin)) - series.zero
    if (
        starts[end - 1] + signal.samples - starts[begin] == records.size
        and starts[begin] + records.size >= first + count
    ):
        return records.reshape(-1)[first - starts[begin] :][:count], ()
    samples = np.zeros(count, np.int64)
    missing = []
    done = first
    for start, record in zip(starts[begin:end], records, strict=True):
        low, high = max(start, first), min(start + signal.samples, first + count)
        if low < high:
            samples[low - first : high - first] = record[low - start : high - start]
            missing.append((done - first, low - done))
            done = high
    return samples, joined([*missing, (done - first, first + count - done)])


def _digital(signal: Signal, header: Header, records: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a signal's samples as stored, shape (records, samples)."""
    first = signal.at * header.width
    stored = np.ascontiguousarray(records[:, first : first + signal.samples * header.width])
    if header.width == _EDF_BYTES:
        return stored.view("<i2").astype(np.int64)
    padded = np.zeros((stored.shape[0], signal.samples, 4), np.uint8)
    padded[:, :, 1:] = stored.reshape(stored.shape[0], signal.samples, 3)
    return (padded.view("<i4").reshape(stored.shape[0], -1) >> 8).astype(np.int64)


def _starts(per_record: int, rate: float, file: _File) -> Sequence[int]:
    """Return the number of the first sample of each data record.

    A shift of at most a sample is rounding of an onset, not a gap. The rounding of the duration, and so of the rate, is
    far smaller, but adds up: it explains a drift, to which each data record contributes at most a sample.
    """
    if not file.onsets:
        return range(0, file.stored * per_record, per_record)
    nearest = max(1, _TOLERANCE * rate)
    rounding = file.header.rounding / file.header.duration
    starts: list[int] = []
    drift = 0
    for i, onset in enumerate(file.onsets):
        at = (onset - file.onsets[0]) * rate
        if not abs(at) < _MOST_START:
            raise UnreadableRecording(_FAR_APART)
        end = starts[-1] + per_record if starts else 0
        shift, drifted = round(at) - end, abs(drift) > nearest
        step = shift - drift
        if (not drifted and abs(shift) <= nearest) or (
            abs(step) <= nearest and abs(shift) <= nearest + rounding * abs(at)
        ):
            start = end
        elif drifted and abs(step) > nearest:
            start = end + step
        else:
            start = end + shift
        if start < end:
            raise UnreadableRecording(f"data record {i + 1} begins before the one before it ends")
        starts.append(start)
        drift = round(at) - start
    return starts
