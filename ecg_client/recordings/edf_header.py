"""Headers of EDF, EDF+ and BDF files (edfplus.info/specs, biosemi.com/faq/file_format.htm)."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecg_client.recordings.recording import UnreadableRecording

HEADER_BYTES = 256
_BDF = b"\xffBIOSEMI"
_EDF = "0"
# The fields of a signal and their widths. The header has each field for all signals, then the next field.
_FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical minimum": 8,
    "physical maximum": 8,
    "digital minimum": 8,
    "digital maximum": 8,
    "prefiltering": 80,
    "number of samples": 8,
    "reserved": 32,
}
_ANNOTATIONS = frozenset({"EDF Annotations", "BDF Annotations"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_DECIMALS = re.compile(r"(?=.{8}$)(?:0|[1-9][0-9]*)?[.,]([0-9]+)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DAY = re.compile(r"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_THREE = re.compile(r" ?([0-9]{1,2})[.:'\-/ ] ?([0-9]{1,2})[.:'\-/ ] ?([0-9]{1,2})")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_CENTURY = 85  # years from 85 on are in the 20th century
_MOST_SIGNALS = 9999
MOST_HEADER_BYTES = HEADER_BYTES * (1 + _MOST_SIGNALS)


@dataclass(frozen=True)
class Signal:
    """A signal: its label and unit, its physical and digital limits, and its number of samples in a data record."""

    label: str
    unit: str
    least: float
    most: float
    low: float
    high: float
    samples: int
    at: int
    """The position of its first sample in a data record, in samples of all signals."""
    annotations: bool


@dataclass(frozen=True)
class Header:
    """A header: bytes per sample, signals, number of data records (-1: unknown), seconds per data record, the most by
    which its field rounds these seconds, and True if there may be gaps between data records (EDF+D).
    """

    width: int
    signals: tuple[Signal, ...]
    records: int
    duration: float
    rounding: float
    is_discontinuous: bool
    _recording: str
    _start: tuple[str, str]

    @property
    def size(self) -> int:
        """Size of the header in bytes."""
        return HEADER_BYTES * (1 + len(self.signals))

    @property
    def record_samples(self) -> int:
        """Number of samples of all signals in a data record."""
        return sum(signal.samples for signal in self.signals)

    def began(self, onset: float) -> str | None:
        """Return the time of the first sample in ISO 8601, `onset` seconds after the start, or None if unknown."""
        keyword, _, rest = self._recording.partition(" ")
        started = rest.split(" ", 1)[0]
        day, clock = (_THREE.fullmatch(text) for text in self._start)
        if (keyword == "Startdate" and started == "X") or day is None or clock is None:
            return None
        year = int(day[3]) + (1900 if int(day[3]) >= _CENTURY else 2000)
        month, day_of_month = int(day[2]), int(day[1])
        plus = _DAY.fullmatch(started)
        if keyword == "Startdate" and plus and plus[2].upper() in _MONTHS:
            year, month, day_of_month = int(plus[3]), _MONTHS.index(plus[2].upper()) + 1, int(plus[1])
        try:
            start = datetime(year, month, day_of_month, int(clock[1]), int(clock[2]), int(clock[3]))
            return (start + timedelta(microseconds=round(onset * 1e6))).isoformat()
        except (ValueError, OverflowError):
            return None


def parse_header(content: bytes, file_size: int) -> Header:
    """Parse the header of a file of a number of bytes; its first byte distinguishes EDF from BDF.

    Args:
        content: the first `MOST_HEADER_BYTES` of the file, or all of a shorter one.
        file_size: the number of bytes of the file.

    Raises:
        UnreadableRecording: if it is not a header; the message names signal, field and byte.
    """
    if not content.startswith(_BDF) and _text(content, 0, 8) != _EDF:
        raise UnreadableRecording("not an EDF or BDF file: its first bytes are those of neither")
    count = _text(content, 252, 4)
    if not _INTEGER.fullmatch(count) or not 1 <= int(count) <= _MOST_SIGNALS:
        raise UnreadableRecording("byte 252: the number of signals must be 1 to 9999")
    signals = int(count)
    if len(content) < HEADER_BYTES * (1 + signals):
        raise UnreadableRecording(
            f"its header is cut short: it has {len(content)} of {HEADER_BYTES * (1 + signals)} bytes"
        )
    records = _text(content, 236, 8)
    if not _INTEGER.fullmatch(records):
        raise UnreadableRecording("byte 236: the number of data records must be a whole number")
    duration = _number(content, 244, "the duration of a data record")
    described, at = [], 0
    for i in range(signals):
        described.append(_signal(content, signals, i, at))
        at += described[-1].samples
    width = 3 if content.startswith(_BDF) else 2
    announced, size = _text(content, 184, 8), HEADER_BYTES * (1 + signals)
    is_whole = file_size == size + int(records) * at * width
    if _INTEGER.fullmatch(announced) and int(announced) != size and not is_whole:
        raise UnreadableRecording(f"byte 184: the header of {signals} signals has {size} bytes, not {int(announced)}")
    return Header(
        width,
        tuple(described),
        int(records),
        duration,
        _rounding(_text(content, 244, 8)),
        _text(content, 192, 44)[:5] in ("EDF+D", "BDF+D"),
        _text(content, 88, 80),
        (_text(content, 168, 8, strip=False).rstrip(" "), _text(content, 176, 8, strip=False).rstrip(" ")),
    )


def _signal(content: bytes, signals: int, number: int, at: int) -> Signal:
    places = {}
    start = HEADER_BYTES
    for name, width in _FIELDS.items():
        places[name] = (start + number * width, width)
        start += signals * width
    label = _text(content, *places["label"])
    annotations = label in _ANNOTATIONS
    where = f"signal {number + 1} ({label})"
    samples = _text(content, *places["number of samples"])
    if not _INTEGER.fullmatch(samples) or int(samples) < 1:
        raise UnreadableRecording(
            f"byte {places['number of samples'][0]}: the number of samples of {where} must be a whole number above 0"
        )
    limits = [
        math.nan if annotations else _number(content, places[name][0], f"the {name} of {where}")
        for name in ("physical minimum", "physical maximum", "digital minimum", "digital maximum")
    ]
    least, most, low, high = limits
    name, unit = label or f"lead {number + 1}", _text(content, *places["unit"])
    return Signal(name, unit, least, most, low, high, int(samples), at, annotations)


def _number(content: bytes, at: int, what: str) -> float:
    """Return a number, which may have a decimal comma."""
    text = _text(content, at, 8)
    value = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else math.inf
    if math.isinf(value):
        raise UnreadableRecording(f"byte {at}: {what} must be a number")
    return value


def _rounding(field: str) -> float:
    """Return a unit of the last decimal of a field that is full: there was no room for further ones."""
    decimals = _DECIMALS.fullmatch(field)
    return 10.0 ** -len(decimals[1]) if decimals else 0.0


def _text(content: bytes, at: int, width: int, strip: bool = True) -> str:
    """Return a field. The standard allows ASCII only; recorders write UTF-8 and Latin-1."""
    field = content[at : at + width]
    try:
        text = field.decode()
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    # Some recorders end a field with a zero byte.
    text = text.partition("\0")[0]
    return text.strip(" ") if strip else text
