"""WFDB, PhysioNet's format: a header with signal files or with segments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg_client.recordings.channels import Channel, choose, recording_of
from ecg_client.recordings.content import read_bytes
from ecg_client.recordings.missing import Ranges, joined, ranges_of
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.units import adc_gain
from ecg_client.recordings.wfdb_header import Header, Segment, Signal, parse_header
from ecg_client.recordings.wfdb_samples import DIFFERENCES, FLAC, FORMATS, Stored, decode_flac, missing_marker
from shared import ecg

_ABSENT = "~"
# Gaps may be longer than the recording, but a broken length must not fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20

Read = Callable[[str], bytes | None]


@dataclass(frozen=True)
class _Stretch:
    """A signal of one segment: its samples minus its baseline, 0 where missing."""

    signal: Signal
    samples: ecg.Signal
    missing: Ranges


def read_wfdb(path: Path, wanted: Sequence[str] = ()) -> Recording:
    """Read the record of a header and subtract each signal's baseline; the samples of a frame are not averaged.

    Signals whose file is missing are left out. Samples marked as missing and gaps between segments are missing samples
    of the leads.

    Raises:
        UnreadableRecording: if the record cannot be read.
    """
    header = parse_header(read_bytes(path))

    def read(name: str) -> bytes | None:
        for file in (path.parent / name, path.parent / f"{name}.gz"):
            if file.is_file():
                return read_bytes(file)
        return None

    notes = list(header.notes)
    stretches = _segments(header, read, notes) if header.segments else _signals(header, header.length, read, notes)
    names, units = [s.signal.name for s in stretches], [s.signal.unit for s in stretches]
    chosen = choose(names, units, wanted, notes)
    return recording_of([_channel(stretches[i], header.rate, notes) for i in chosen], header.date, notes)


def parts_of(header: Path) -> list[Path]:
    """Return the headers of a record's segments; empty if its own header is broken."""
    try:
        segments = parse_header(read_bytes(header)).segments
    except UnreadableRecording:
        return []
    return [header.parent / f"{segment.name}.hea" for segment in segments if segment.name is not None]


def _channel(stretch: _Stretch, rate: float, notes: list[str]) -> Channel:
    signal = stretch.signal
    if signal.gain is None:
        notes.append(f"{signal.name}: is not calibrated, so its gain is left out")
    gain = None if signal.gain is None else adc_gain(signal.gain, signal.unit)
    return Channel(signal.name, stretch.samples, gain, signal.unit, rate * signal.per_frame, stretch.missing)


def _signals(header: Header, length: int | None, read: Read, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a header whose files exist."""
    files = list(dict.fromkeys(signal.file for signal in header.signals))
    contents = {file: content for file in files if (content := read(file)) is not None}
    if not files:
        raise UnreadableRecording("not a WFDB record: its header describes no signals")
    if not contents:
        raise UnreadableRecording(f"its signal file {files[0]} is missing: it belongs beside the header")
    absent = [signal.name for signal in header.signals if signal.file not in contents]
    if absent:
        notes.append(f"left out, because their file is missing: {', '.join(absent)}")
    decoded: dict[int, _Stretch] = {}
    for file, content in contents.items():
        positions = [i for i, signal in enumerate(header.signals) if signal.file == file]
        group = [header.signals[i] for i in positions]
        decoded.update(zip(positions, _file(group, content, length, notes), strict=True))
    return [decoded[i] for i in sorted(decoded)]


def _file(signals: list[Signal], content: bytes, length: int | None, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a file, which stores them frame by frame."""
    name, code, offset = signals[0].file, signals[0].code, signals[0].offset
    if any((signal.code, signal.offset) != (code, offset) for signal in signals):
        raise UnreadableRecording(f"{name} has signals of several formats, which WFDB does not allow")
    if code in FLAC:
        frames = _flac_frames(signals, content)
    elif code in FORMATS:
        width = sum(signal.per_frame for signal in signals)
        available = FORMATS[code].samples_in(max(len(content) - offset, 0)) // width
        frames = FORMATS[code].decode(content[offset:])[: available * width].reshape(available, width)
    else:
        known = ", ".join([*FORMATS, *FLAC])
        raise UnreadableRecording(f"{name} is stored in WFDB format {code}; the formats that can be read are {known}")
    stored = len(frames)
    if length is not None and stored < length:
        notes.append(f"{name} is too short: it has {stored} of {length} frames, which are read")
    elif length is not None and stored > length:
        notes.append(f"{name} is longer than its header says: it has {stored} frames, and {length} are read")
    frames = frames[:length]
    if not len(frames):
        raise UnreadableRecording(f"{name} has no samples")
    edges = np.cumsum([0, *(signal.per_frame for signal in signals)]).tolist()
    return [
        _stretch(signal, frames[:, first:end].reshape(-1))
        for signal, first, end in zip(signals, edges[:-1], edges[1:], strict=True)
    ]


def _flac_frames(signals: list[Signal], content: bytes) -> Stored:
    name, code, offset = signals[0].file, signals[0].code, signals[0].offset
    per_frame = signals[0].per_frame
    if any(signal.per_frame != per_frame for signal in signals):
        raise UnreadableRecording(f"{name} has signals of several rates, which FLAC does not allow")
    samples = decode_flac(content, code, len(signals), name)[offset:]
    frames = len(samples) // per_frame
    split = samples[: frames * per_frame].reshape(frames, per_frame, len(signals))
    return split.transpose(0, 2, 1).reshape(frames, -1)


def _stretch(signal: Signal, stored: Stored) -> _Stretch:
    if signal.code == DIFFERENCES:
        values = np.cumsum(stored, dtype=np.int64) + signal.initial
    else:
        # Wide enough for a baseline beyond the samples' width.
        small = stored.dtype.itemsize <= 2 and abs(signal.baseline) < 1 << 30  # noqa: PLR2004 - bytes
        values = stored.astype(np.int32 if small else np.int64)
    marker = missing_marker(signal.code)
    missing = values == marker if marker is not None else np.zeros(values.shape, bool)
    if signal.skew:
        # The signal is stored `skew` frames late, so its end is not in the file.
        shift = min(signal.skew * signal.per_frame, values.size)
        values = np.concatenate([values[shift:], np.zeros(shift, values.dtype)])
        missing = np.concatenate([missing[shift:], np.ones(shift, bool)])
    samples = np.where(missing, 0, values - signal.baseline)
    return _Stretch(signal, samples, ranges_of(missing))


def _segments(header: Header, read: Read, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a record with segments, joined; signals that a segment lacks are missing samples."""
    parts: list[tuple[Segment, Header | None]] = []
    for segment in header.segments:
        content = read(f"{segment.name}.hea") if segment.name is not None else None
        if content is None and segment.name is not None:
            raise UnreadableRecording(f"its segment {segment.name} is missing: {segment.name}.hea belongs beside it")
        parts.append((segment, None if content is None else parse_header(content)))
    layout = parts[0][1] if parts and not parts[0][0].length else None
    described = [part for _, part in parts if part is not None]
    if any(part.segments for part in described):
        raise UnreadableRecording("has segments that are records of several segments themselves")
    if any(part.rate != header.rate for part in described):
        raise UnreadableRecording("its segments differ in their sampling rate: read them one by one")
    reference = layout or next((part for segment, part in parts if part is not None and segment.length), None)
    if reference is None:
        raise UnreadableRecording("has no samples: all of its segments are gaps")
    read_parts: list[tuple[int, list[_Stretch]]] = []
    for segment, part in parts:
        if not segment.length:
            continue
        stretches: list[_Stretch] = []
        if part is not None:
            own = [signal for signal in part.signals if signal.file != _ABSENT]
            stretches = _signals(_with_signals(part, own), segment.length, read, notes) if own else []
        read_parts.append((segment.length, stretches))
    total = sum(length for length, _ in read_parts)
    stored = sum(len(stretch.samples) for _, stretches in read_parts for stretch in stretches)
    if total > max(_LEAST_LIMIT, _MOST_GROWTH * stored):
        raise UnreadableRecording("has gaps that are far longer than the recording: read its segments one by one")
    return [_join(signal, i, read_parts, layout is not None) for i, signal in enumerate(reference.signals)]


def _with_signals(header: Header, signals: list[Signal]) -> Header:
    return Header(header.rate, header.length, header.date, tuple(signals), (), ())


def _join(signal: Signal, position: int, parts: list[tuple[int, list[_Stretch]]], by_name: bool) -> _Stretch:
    pieces: list[ecg.Signal] = []
    missing: list[tuple[int, int]] = []
    at = 0
    gain: Signal | None = None
    for length, stretches in parts:
        frames = length * signal.per_frame
        found = next((s for s in stretches if s.signal.name == signal.name), None)
        if not by_name and stretches and found is None:
            raise UnreadableRecording(f"{signal.name}: is not in all segments of a record with a fixed layout")
        samples = np.zeros(0, np.int64) if found is None else found.samples[:frames].astype(np.int64)
        if found is not None:
            one, other = (found.signal, gain or found.signal)
            if (one.gain, one.unit, one.per_frame) != (other.gain, other.unit, signal.per_frame):
                raise UnreadableRecording(f"{signal.name}: its gain differs between segments: read them one by one")
            gain = found.signal
            missing += [(at + first, count) for first, count in found.missing]
        if len(samples) < frames:
            missing.append((at + len(samples), frames - len(samples)))
            samples = np.concatenate([samples, np.zeros(frames - len(samples), np.int64)])
        pieces.append(samples)
        at += frames
    return _Stretch(gain or signal, np.concatenate(pieces), joined(missing))
