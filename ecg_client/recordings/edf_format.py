"""EDF, EDF+ and BDF, the European Data Format and BioSemi's 24-bit form of it."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.channels import Channel, choose, recording_of
from ecg_client.recordings.content import read_bytes
from ecg_client.recordings.edf_header import Header, Signal, parse_header
from ecg_client.recordings.missing import Ranges
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.units import adc_gain

_ONSET = re.compile(rb"[+-][0-9]+(?:\.[0-9]+)?")
# Onsets are decimal numbers that some recorders round.
_TOLERANCE = 1e-3
# Gaps may be longer than the recording, but a broken onset must not fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20
_EDF_BYTES = 2
_MOST_ZERO = 2**52


def read_edf(path: Path, wanted: Sequence[str] = ()) -> Recording:
    """Read an EDF, EDF+ or BDF file; the digital value of zero volts becomes 0.

    If labels say which signals are ECGs (`ECG II`, `EKG`), only these and usual names of leads are read; `ECG II` is
    lead II. Gaps between data records (EDF+D) are missing samples.

    Raises:
        UnreadableRecording: if the file cannot be read.
    """
    content = read_bytes(path)
    header = parse_header(content)
    record_bytes = header.record_samples * header.width
    stored, rest = divmod(len(content) - header.size, record_bytes)
    if not stored:
        raise UnreadableRecording("has no samples: it holds no whole data record")
    notes = []
    if header.records not in (stored, -1):
        notes.append(f"the header announces {header.records} data records, and the file has {stored}")
    elif rest:
        notes.append(f"the file ends with {rest} bytes of an incomplete data record, which are left out")
    bytes_of_records = np.frombuffer(content, np.uint8, stored * record_bytes, header.size).reshape(stored, -1)
    onsets = _onsets(header, bytes_of_records)
    signals = [signal for signal in header.signals if not signal.annotations]
    if signals and not header.duration > 0:
        raise UnreadableRecording("byte 244: the duration of a data record must be above 0")
    if not signals:
        raise UnreadableRecording("holds annotations only, and no signals")
    names, units = [signal.label for signal in signals], [signal.unit for signal in signals]
    chosen = choose(names, units, wanted, notes, typed=True)
    channels = [_channel(signals[i], header, bytes_of_records, onsets, notes) for i in chosen]
    return recording_of(channels, header.began(onsets[0] if onsets else 0.0), notes, typed=True)


def _onsets(header: Header, records: NDArray[np.uint8]) -> list[float]:
    """Return the start of each data record in seconds; empty if the file has no annotations, and so no gaps."""
    timekeeping = next((signal for signal in header.signals if signal.annotations), None)
    if timekeeping is None:
        return []
    first = timekeeping.at * header.width
    onsets = []
    for i, record in enumerate(records):
        found = _ONSET.match(record[first : first + timekeeping.samples * header.width].tobytes())
        if found is None:
            raise UnreadableRecording(
                f"byte {header.size + i * records.shape[1] + first}: data record {i + 1} does not say when it begins"
            )
        onsets.append(float(found[0]))
    return onsets


def _channel(
    signal: Signal, header: Header, records: NDArray[np.uint8], onsets: list[float], notes: list[str]
) -> Channel:
    rate = signal.samples / header.duration
    values = _digital(signal, header, records)
    span, reach = signal.most - signal.least, signal.high - signal.low
    units = reach / span if span and reach else None
    if units is None:
        notes.append(f"{signal.label}: its limits are equal, so its gain is left out")
    zero = np.rint(signal.low - signal.least * reach / span) if units is not None else 0.0
    if not abs(zero) <= _MOST_ZERO:
        raise UnreadableRecording(f"{signal.label}: its limits are too far from zero volts")
    gain = None if units is None else adc_gain(units, signal.unit)
    samples, missing = _with_gaps(values - int(zero), signal.samples, rate, onsets)
    return Channel(signal.label, samples, gain, signal.unit, rate, missing)


def _digital(signal: Signal, header: Header, records: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a signal's samples as stored, shape (records, samples)."""
    first = signal.at * header.width
    stored = np.ascontiguousarray(records[:, first : first + signal.samples * header.width])
    if header.width == _EDF_BYTES:
        return stored.view("<i2").astype(np.int64)
    padded = np.zeros((stored.shape[0], signal.samples, 4), np.uint8)
    padded[:, :, 1:] = stored.reshape(stored.shape[0], signal.samples, 3)
    return (padded.view("<i4").reshape(stored.shape[0], -1) >> 8).astype(np.int64)


def _with_gaps(
    samples: NDArray[np.int64], per_record: int, rate: float, onsets: list[float]
) -> tuple[NDArray[np.int64], Ranges]:
    """Return the samples of all data records, with 0 in the gaps between them, and the gaps."""
    if not onsets:
        return samples.reshape(-1), ()
    starts: list[int] = []
    for i, onset in enumerate(onsets):
        start = int(np.rint((onset - onsets[0]) * rate))
        end = starts[-1] + per_record if starts else 0
        # A shift of at most a sample is rounding, not a gap.
        if abs(start - end) <= max(1, _TOLERANCE * rate):
            start = end
        if start < end:
            raise UnreadableRecording(f"data record {i + 1} begins before the one before it ends")
        starts.append(start)
    total = starts[-1] + per_record
    if total > max(_LEAST_LIMIT, _MOST_GROWTH * samples.size):
        raise UnreadableRecording("has gaps that are far longer than the recording: split it at them")
    filled = np.zeros(total, np.int64)
    missing = []
    for start, record in zip(starts, samples, strict=True):
        filled[start : start + per_record] = record
    for start, following in pairwise(starts):
        if following > start + per_record:
            missing.append((start + per_record, following - start - per_record))
    return filled, tuple(missing)
