"""WFDB, PhysioNet's format: a header with signal files or with segments."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from ecg_client.recordings.channels import choose
from ecg_client.recordings.content import Blocks, is_file, open_blocks, read_bytes
from ecg_client.recordings.missing import Ranges, joined, ranges_of
from ecg_client.recordings.recording import UnreadableRecording
from ecg_client.recordings.stored import Read, StoredChannel, StoredRecording
from ecg_client.recordings.units import adc_gain, is_other
from ecg_client.recordings.wfdb_header import Header, Segment, Signal, parse_header
from ecg_client.recordings.wfdb_samples import DIFFERENCES, FLAC, FORMATS, Stored, decode_flac, missing_marker
from shared import ecg

_ABSENT = "~"
# Gaps may be longer than the recording, but a broken length must not fill the memory.
_MOST_GROWTH = 64
_LEAST_LIMIT = 1 << 20
_BLOCK = 1 << 16

# The path of a record's file, or None if there is none.
Find = Callable[[str], Path | None]
# A number of frames from a first one on, shape (count, samples of a frame).
Frames = Callable[[int, int], Stored]


@dataclass(frozen=True)
class _Stretch:
    """A signal of one segment: its number of samples, and how to read them minus its baseline."""

    signal: Signal
    size: int
    read: Read


def open_wfdb(path: Path, wanted: Sequence[str] = ()) -> StoredRecording:
    """Open the record of a header; each signal's baseline is subtracted, and the samples of a frame are not averaged.

    Signals whose file is missing are left out. Samples marked as missing and gaps between segments are missing samples
    of the leads. Files of FLAC and gzip are read into memory.

    Raises:
        UnreadableRecording: if the record cannot be read.
    """
    header = parse_header(read_bytes(path))

    def find(name: str) -> Path | None:
        return next(filter(is_file, (path.parent / name, path.parent / f"{name}.gz")), None)

    notes = list(header.notes)
    stretches = _segments(header, find, notes) if header.segments else _signals(header, header.length, find, notes)
    names, units = [s.signal.name for s in stretches], [s.signal.unit for s in stretches]
    chosen = choose(names, units, wanted, notes)
    return StoredRecording([_channel(stretches[i], header.rate, notes) for i in chosen], header.date, notes)


def parts_of(header: Path) -> list[Path]:
    """Return the headers of a record's segments; empty if its own header is broken."""
    try:
        segments = parse_header(read_bytes(header)).segments
    except UnreadableRecording:
        return []
    return [header.parent / f"{segment.name}.hea" for segment in segments if segment.name is not None]


def _channel(stretch: _Stretch, rate: float, notes: list[str]) -> StoredChannel:
    signal = stretch.signal
    if signal.gain is None:
        notes.append(f"{signal.name}: is not calibrated, so its gain is left out")
    gain = None if signal.gain is None else adc_gain(signal.gain, signal.unit)
    if signal.gain is not None and gain is None and not is_other(signal.unit):
        notes.append(f"{signal.name}: its unit is not a unit of voltage, so its gain is left out")
    return StoredChannel(signal.name, stretch.size, stretch.read, gain, signal.unit, rate * signal.per_frame)


def _signals(header: Header, length: int | None, find: Find, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a header whose files exist."""
    files = list(dict.fromkeys(signal.file for signal in header.signals))
    contents = {file: open_blocks(found) for file in files if (found := find(file)) is not None}
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


def _file(signals: list[Signal], content: Blocks, length: int | None, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a file, which stores them frame by frame."""
    name, code, offset = signals[0].file, signals[0].code, signals[0].offset
    if any((signal.code, signal.offset) != (code, offset) for signal in signals):
        raise UnreadableRecording(f"{name} has signals of several formats, which WFDB does not allow")
    if code in FLAC:
        frames, stored = _flac_frames(signals, content.read(0, content.size))
    elif code in FORMATS:
        frames, stored = _stored_frames(signals, content)
    else:
        known = ", ".join([*FORMATS, *FLAC])
        raise UnreadableRecording(f"{name} is stored in WFDB format {code}; the formats that can be read are {known}")
    if length is not None and stored < length:
        notes.append(f"{name} is too short: it has {stored} of {length} frames, which are read")
    elif length is not None and stored > length + max(signal.skew for signal in signals):
        notes.append(f"{name} is longer than its header says: it has {stored} frames, and {length} are read")
    present = stored if length is None else min(stored, length)
    if not present:
        raise UnreadableRecording(f"{name} has no samples")
    edges = np.cumsum([0, *(signal.per_frame for signal in signals)]).tolist()
    return [
        # A signal with skew is stored that many frames late.
        _stretch(signal, present, min(stored, present + signal.skew), partial(_samples, frames, slice(first, end)))
        for signal, first, end in zip(signals, edges[:-1], edges[1:], strict=True)
    ]


def _stored_frames(signals: list[Signal], content: Blocks) -> tuple[Frames, int]:
    """Return the frames of a file in a format without compression, and their number."""
    stored, offset = FORMATS[signals[0].code], signals[0].offset
    width = sum(signal.per_frame for signal in signals)

    # The signals of a file are read one after the other, and all of them are in each frame.
    @lru_cache(maxsize=1)
    def frames(first: int, count: int) -> Stored:
        return stored.read(content, offset, first * width, count * width).reshape(count, width)

    return frames, stored.samples_in(max(content.size - offset, 0)) // width


def _samples(frames: Frames, columns: slice, first: int, count: int) -> Stored:
    """Return samples of the signal in these columns of the frames, shape (count,)."""
    per_frame = columns.stop - columns.start
    begin, end = first // per_frame, -(-(first + count) // per_frame)
    return frames(begin, end - begin)[:, columns].reshape(-1)[first - begin * per_frame :][:count]


def _flac_frames(signals: list[Signal], content: bytes) -> tuple[Frames, int]:
    name, code, offset = signals[0].file, signals[0].code, signals[0].offset
    per_frame = signals[0].per_frame
    if any(signal.per_frame != per_frame for signal in signals):
        raise UnreadableRecording(f"{name} has signals of several rates, which FLAC does not allow")
    samples = decode_flac(content, code, len(signals), name)[offset:]
    frames = len(samples) // per_frame
    split = samples[: frames * per_frame].reshape(frames, per_frame, len(signals))
    stored = split.transpose(0, 2, 1).reshape(frames, -1)
    return lambda first, count: stored[first : first + count], frames


def _stretch(signal: Signal, frames: int, in_file: int, stored: Callable[[int, int], Stored]) -> _Stretch:
    """Return a signal of a number of frames, of which the file has `in_file`, with those before its skew."""
    size = in_file * signal.per_frame
    if signal.code == DIFFERENCES:
        stored = _summed(signal.initial, size, stored)
    return _Stretch(signal, frames * signal.per_frame, partial(_read, signal, size, stored))


def _summed(initial: int, size: int, differences: Callable[[int, int], Stored]) -> Callable[[int, int], Stored]:
    """Return a reader of samples whose differences are stored; it begins at the nearest sample that is known."""
    known = [initial]
    for first in range(0, size, _BLOCK):
        known.append(known[-1] + int(differences(first, min(_BLOCK, size - first)).sum(dtype=np.int64)))

    def samples(first: int, count: int) -> Stored:
        before = first % _BLOCK
        sums = np.cumsum(differences(first - before, before + count), dtype=np.int64)
        return sums[before:] + known[first // _BLOCK]

    return samples


def _read(
    signal: Signal, size: int, stored: Callable[[int, int], Stored], first: int, count: int
) -> tuple[ecg.Signal, Ranges]:
    # The end of a signal with skew may not be in the file.
    at = first + signal.skew * signal.per_frame
    present = max(0, min(count, size - at))
    values: Stored = stored(at, present) if present else np.zeros(0, np.int16)
    # Wide enough for a baseline beyond the samples' width.
    small = values.dtype.itemsize <= 2 and abs(signal.baseline) < 1 << 30  # noqa: PLR2004 - bytes
    values = values.astype(np.int32 if small else np.int64)
    marker = missing_marker(signal.code)
    missing = values == marker if marker is not None else np.zeros(values.shape, bool)
    samples = np.where(missing, 0, values - signal.baseline)
    if present == count:
        return samples, ranges_of(missing)
    samples = np.concatenate([samples, np.zeros(count - present, samples.dtype)])
    return samples, joined([*ranges_of(missing), (present, count - present)])


def _segments(header: Header, find: Find, notes: list[str]) -> list[_Stretch]:
    """Return the signals of a record with segments, joined; signals that a segment lacks are missing samples."""
    parts: list[tuple[Segment, Header | None]] = []
    for segment in header.segments:
        file = find(f"{segment.name}.hea") if segment.name is not None else None
        if file is None and segment.name is not None:
            raise UnreadableRecording(f"its segment {segment.name} is missing: {segment.name}.hea belongs beside it")
        parts.append((segment, None if file is None else parse_header(read_bytes(file))))
    layout = parts[0][1] if parts and not parts[0][0].length else None
    described = [part for _, part in parts if part is not None]
    if any(part.segments for part in described):
        raise UnreadableRecording("has segments that are records of several segments themselves")
    if any(part.rate != header.rate for part in described):
        raise UnreadableRecording("its segments differ in their sampling rate: read them one by one")
    reference = layout or next((part for segment, part in parts if part is not None and segment.length), None)
    if reference is None:
        raise UnreadableRecording("has no samples: all of its segments are gaps")
    opened: list[tuple[int, list[_Stretch]]] = []
    for segment, part in parts:
        if not segment.length:
            continue
        stretches: list[_Stretch] = []
        if part is not None:
            own = [signal for signal in part.signals if signal.file != _ABSENT]
            stretches = _signals(_with_signals(part, own), segment.length, find, notes) if own else []
        opened.append((segment.length, stretches))
    total = sum(length for length, _ in opened)
    stored = sum(stretch.size for _, stretches in opened for stretch in stretches)
    if total > max(_LEAST_LIMIT, _MOST_GROWTH * stored):
        raise UnreadableRecording("has gaps that are far longer than the recording: read its segments one by one")
    if header.length is not None and header.length != total:
        notes.append(f"its header announces {header.length} frames, and its segments have {total}")
    places = _numbered([signal.name for signal in reference.signals])
    joinable = [(length, _named(stretches)) for length, stretches in opened]
    found = dict.fromkeys(place for _, stretches in joinable for place in stretches)
    known = set(places)
    if left_out := ", ".join(place[0] for place in found if place not in known):
        where = "layout" if layout is not None else "first segment"
        notes.append(f"left out, because they are not in the record's {where}: {left_out}")
    return [
        _join(signal, place, joinable, layout is not None)
        for signal, place in zip(reference.signals, places, strict=True)
    ]


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return names with the number of equal names before each: signals of a record may have the same name."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        result.append((name, seen[name]))
        seen[name] += 1
    return result


def _named(stretches: Sequence[_Stretch]) -> dict[tuple[str, int], _Stretch]:
    return dict(zip(_numbered([stretch.signal.name for stretch in stretches]), stretches, strict=True))


def _with_signals(header: Header, signals: list[Signal]) -> Header:
    return Header(header.rate, header.length, header.date, tuple(signals), (), ())


def _join(
    signal: Signal, place: tuple[str, int], parts: list[tuple[int, dict[tuple[str, int], _Stretch]]], by_name: bool
) -> _Stretch:
    joint: list[tuple[int, _Stretch]] = []
    at = 0
    for length, stretches in parts:
        found = stretches.get(place)
        if not by_name and stretches and found is None:
            raise UnreadableRecording(f"{signal.name}: is not in all segments of a record with a fixed layout")
        if found is not None:
            one, other = (found.signal, joint[0][1].signal if joint else found.signal)
            if (one.gain, one.unit, one.per_frame) != (other.gain, other.unit, signal.per_frame):
                raise UnreadableRecording(f"{signal.name}: its gain differs between segments: read them one by one")
            joint.append((at, found))
        at += length * signal.per_frame
    return _Stretch(joint[-1][1].signal if joint else signal, at, partial(_read_joint, joint))


def _read_joint(joint: list[tuple[int, _Stretch]], first: int, count: int) -> tuple[ecg.Signal, Ranges]:
    """Read samples of stretches that each begin at a sample of the record; there are no samples between them."""
    samples = np.zeros(count, np.int64)
    missing: list[tuple[int, int]] = []
    done = 0
    for at, stretch in joint[bisect_right(joint, first, key=lambda part: part[0] + part[1].size) :]:
        if at >= first + count:
            break
        begin, end = max(at, first), min(at + stretch.size, first + count)
        own, absent = stretch.read(begin - at, end - begin)
        samples[begin - first : end - first] = own
        missing.append((done, begin - first - done))
        missing += [(begin - first + start, length) for start, length in absent]
        done = end - first
    return samples, joined([*missing, (done, count - done)])
