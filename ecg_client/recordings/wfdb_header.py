"""Headers of WFDB records (WFDB manual, header(5)), in UTF-8 or Latin-1; most fields are optional."""

import math
import re
from dataclasses import dataclass
from datetime import datetime

from ecg_client.recordings.content import text_of
from ecg_client.recordings.recording import UnreadableRecording

# Defaults of the format.
_RATE = 250.0
_UNIT = "mV"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RECORD = re.compile(
    rf"(\S+?)(?:/([0-9]+))?\s+([0-9]+)(?:\s+({_NUMBER})(?:/\S+)?(?:\s+([0-9]+)(?:\s+(\S+)(?:\s+(\S+))?)?)?)?", re.ASCII
)
_STORED = re.compile(r"([0-9]+)(?:x([0-9]+))?(?::([0-9]+))?(?:\+([0-9]+))?")
_SCALE = re.compile(rf"({_NUMBER})(?:\(([+-]?[0-9]+)\))?(?:/(\S+))?", re.ASCII)
_SEGMENT = re.compile(r"\S+\s+[0-9]+$", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_TIME = re.compile(r"(?:([0-9]{1,2}):)?(?:([0-9]{1,2}):)?([0-9]{1,2})(?:\.([0-9]{1,6}))?")
_MOST_DIGITS = 15
_SPACE = " \t\f\v"


@dataclass(frozen=True)
class Signal:
    """A signal of a record, and the way its samples are stored.

    `gain` is the number of ADC units per `unit`, None if the signal is not calibrated; `baseline` is the ADC value of
    zero.
    """

    name: str
    file: str
    code: str
    per_frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int
    unit: str
    initial: int


@dataclass(frozen=True)
class Segment:
    """A segment of a record: the name of its header, or None for a gap, and its length in frames."""

    name: str | None
    length: int


@dataclass(frozen=True)
class Header:
    """A record: frames per second, length in frames and start (both None if unknown), and its signals or segments."""

    rate: float
    length: int | None
    date: str | None
    signals: tuple[Signal, ...]
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def parse_header(content: bytes) -> Header:
    """Parse a header.

    Raises:
        UnreadableRecording: if it is not a header; the message names the line.
    """
    text, _ = text_of(content)
    lines = [
        (number, line.strip(_SPACE))
        for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1)
        if line.strip(_SPACE) and not line.lstrip(_SPACE).startswith("#")
    ]
    found = _RECORD.fullmatch(lines[0][1]) if lines else None
    if found is None:
        raise UnreadableRecording("not a WFDB record: its first line does not describe one")
    _, segments, count, rate, length, time, date = found.groups()
    notes = []
    if rate is None:
        notes.append(f"its header has no sampling rate: WFDB's default of {_RATE:.0f} Hz applies")
    frames_per_second = _RATE if rate is None else float(rate)
    if not 0 < frames_per_second < math.inf:
        raise UnreadableRecording(f"line {lines[0][0]}: its sampling rate must be a number above 0")
    began = _iso_date(date, time)
    if date is not None and began is None:
        notes.append("its header's date is invalid, so it is left out")
    expected = _count(segments if segments is not None else count, lines[0][0])
    kind = "signals" if segments is None else "segments"
    if len(lines) <= expected:
        raise UnreadableRecording(f"not a WFDB record: its header describes {len(lines) - 1} of {expected} {kind}")
    described = lines[1 : 1 + expected]
    frames = _count(length, lines[0][0]) if length is not None else 0
    header = Header(
        frames_per_second,
        frames or None,
        began,
        tuple(_signal(line, i, at) for i, (at, line) in enumerate(described, start=1)) if segments is None else (),
        tuple(_segment(line, at) for at, line in described) if segments is not None else (),
        tuple(notes),
    )
    # Another signal of a file would make the samples those of other leads.
    files = {signal.file for signal in header.signals}
    for at, line in lines[1 + expected :]:
        if re.split(r"\s", line, maxsplit=1, flags=re.ASCII)[0] in files or (header.segments and _SEGMENT.match(line)):
            raise UnreadableRecording(
                f"line {at}: describes more {kind} than the {expected} that line {lines[0][0]} announces"
            )
    return header


def _signal(line: str, number: int, at: int) -> Signal:
    fields = re.split(r"\s+", line, maxsplit=8, flags=re.ASCII)
    file, code, gain, _, zero, initial, _, _, name = fields + [""] * (9 - len(fields))
    stored = _STORED.fullmatch(code)
    scale = _SCALE.fullmatch(gain) if gain else None
    if stored is None or (gain and scale is None) or not all(_INTEGER.fullmatch(f) for f in (zero, initial) if f):
        raise UnreadableRecording(f"line {at}: signal {number} is not described in WFDB's format")
    units, baseline, unit = scale.groups() if scale else (None, None, None)
    gain_value = float(units) if units else 0.0
    return Signal(
        name.strip(_SPACE) or f"lead {number}",
        _file_name(file, at),
        stored[1],
        _count(stored[2] or "1", at) or 1,
        _count(stored[3] or "0", at),
        _count(stored[4] or "0", at),
        gain_value if gain_value and math.isfinite(gain_value) else None,
        _integer(baseline if baseline is not None else zero or "0", at),
        unit or _UNIT,
        # A format of differences begins at the ADC zero unless the header says otherwise.
        _integer(initial or zero or "0", at),
    )


def _segment(line: str, at: int) -> Segment:
    fields = re.split(r"\s+", line, flags=re.ASCII)
    if len(fields) != 2 or not re.fullmatch(r"[0-9]+", fields[1]):  # noqa: PLR2004 - name and length
        raise UnreadableRecording(f"line {at}: must hold the name of a segment and its length")
    name = None if fields[0] == "~" else _file_name(fields[0], at)
    return Segment(name, _count(fields[1], at))


def _file_name(name: str, at: int) -> str:
    if "/" in name or "\\" in name or name == "..":
        raise UnreadableRecording(f"line {at}: names a file in another folder: put the record's files into one folder")
    return name


def _count(digits: str, at: int) -> int:
    return _integer(digits, at)


def _integer(digits: str, at: int) -> int:
    if len(digits) > _MOST_DIGITS:
        raise UnreadableRecording(f"line {at}: holds a number that is too large")
    return int(digits)


def _iso_date(date: str | None, time: str | None) -> str | None:
    """Return the date and time of a header (DD/MM/YYYY, HH:MM:SS) in ISO 8601, or None if they are invalid."""
    day, clock = _DATE.fullmatch(date or ""), _TIME.fullmatch(time or "")
    if day is None or clock is None:
        return None
    hours, minutes = (clock[1], clock[2]) if clock[2] is not None else ("0", clock[1] or "0")
    microseconds = int((clock[4] or "0").ljust(6, "0"))
    try:
        began = datetime(int(day[3]), int(day[2]), int(day[1]), int(hours), int(minutes), int(clock[3]), microseconds)
    except ValueError:
        return None
    return began.isoformat()
