"""EDF, EDF+ and BDF files: labels, limits, numbers and gaps of various recorders."""

import struct
from dataclasses import dataclass, replace

from tests.recordings.case import Case, lead


@dataclass(frozen=True)
class Signal:
    """A signal as its header describes it; fields are written as they are."""

    label: str = "ECG II"
    unit: str = "uV"
    least: str = "-3276.8"
    most: str = "3276.7"
    low: str = "-32768"
    high: str = "32767"
    samples: str = "4"


@dataclass(frozen=True)
class File:
    """A file: its signals, the bytes of its data records, and the rest of its header."""

    signals: tuple[Signal, ...]
    records: bytes
    count: str = "2"
    duration: str = "1"
    version: bytes = b"0       "
    recording: str = "Startdate 01-JAN-2020 X X X"
    date: str = "01.01.20"
    time: str = "10.00.00"
    reserved: str = ""
    encoding: str = "latin-1"

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        signals = self.signals
        head = [
            self._field("X X X X", 80),
            self._field(self.recording, 80),
            self._field(self.date, 8),
            self._field(self.time, 8),
            self._field(str(256 * (1 + len(signals))), 8),
            self._field(self.reserved, 44),
            self._field(self.count, 8),
            self._field(self.duration, 8),
            self._field(str(len(signals)), 4),
        ]
        for name, width in (("label", 16), ("", 80), ("unit", 8), ("least", 8), ("most", 8), ("low", 8), ("high", 8)):
            head += [self._field(getattr(signal, name, ""), width) for signal in signals]
        head += [self._field("", 80) for _ in signals]
        head += [self._field(signal.samples, 8) for signal in signals]
        head += [self._field("", 32) for _ in signals]
        return self.version + b"".join(head) + self.records

    def _field(self, text: str, width: int) -> bytes:
        encoded = text.encode(self.encoding)
        assert len(encoded) <= width
        return encoded.ljust(width)


_SAMPLES = (10, -10, 10, -10, 10, -10, 10, -10)
_STORED = struct.pack("<8h", *_SAMPLES)
_PLAIN = File((Signal(),), _STORED)
_DATE = "2020-01-01T10:00:00"
_II = lead("II", list(_SAMPLES), 10_000)
_BDF = b"\xffBIOSEMI"


def _edf(name: str, file: File, *leads: object, **expected: object) -> Case:
    given = {"rate": 4, "date": _DATE, **expected} if "refusal" not in expected else expected
    suffix = given.pop("suffix", "edf")
    return Case(name, {f"x.{suffix}": file.content}, leads, **given)  # type: ignore[arg-type]


def _with(signal: Signal) -> File:
    return replace(_PLAIN, signals=(signal,))


def _annotated(*onsets: str, reserved: str = "EDF+C", width: int = 16) -> File:
    """Return a file of a signal with an annotation signal that says when each record begins."""
    records = b""
    for i, onset in enumerate(onsets):
        records += struct.pack("<4h", *_SAMPLES[:4]) if i % 2 == 0 else struct.pack("<4h", 1, 2, 3, 4)
        records += onset.encode().ljust(width, b"\0")[:width]
    annotations = Signal("EDF Annotations", "", "-1", "1", "-32768", "32767", str(width // 2))
    return File((Signal(), annotations), records, str(len(onsets)), reserved=reserved)


def _rounded(duration: str, rate: float) -> File:
    """Return a file of 1,700 data records of a sample each, with five samples missing before the last fifty.

    The duration is rounded; the onsets are exact.
    """
    onsets = [(i + 5 * (i >= _BEFORE_GAP)) / rate for i in range(_RECORDS)]
    records = b"".join(
        struct.pack("<h", 1 + i) + f"+{onset:.6f}\x14\x14".encode().ljust(14, b"\0") for i, onset in enumerate(onsets)
    )
    annotations = Signal("EDF Annotations", "", "-1", "1", "-32768", "32767", "7")
    return File((Signal(samples="1"), annotations), records, str(_RECORDS), duration, reserved="EDF+C")


def _sized(content: bytes, size: int) -> bytes:
    return content[:184] + str(size).ljust(8).encode() + content[192:]


_RECORDS, _BEFORE_GAP = 1700, 1650
_24_BITS = b"".join(struct.pack("<i", sample << 8)[1:] for sample in (100_000, -100_000) * 4)
_24_BIT_SIGNAL = Signal(least="-8388608", most="8388607", low="-8388608", high="8388607")

CASES = [
    _edf("EDF", _PLAIN, _II),
    _edf("a label in Latin-1", _with(Signal("ECG D\u00e9rivation")), lead("D\u00e9rivation", list(_SAMPLES), 10_000)),
    _edf(
        "a label in UTF-8",
        replace(_with(Signal("ECG D\u00e9rivation")), encoding="utf-8"),
        lead("D\u00e9rivation", list(_SAMPLES), 10_000),
    ),
    *(
        _edf(f"microvolts as {unit!r} in {encoding}", replace(_with(Signal(unit=unit)), encoding=encoding), _II)
        for unit, encoding in (
            ("\u00b5V", "latin-1"),
            ("\u00b5V", "utf-8"),
            ("\u03bcV", "utf-8"),
            ("UV", "latin-1"),
            ("uv", "ascii"),
        )
    ),
    _edf("millivolts", _with(Signal(unit="mV")), lead("II", list(_SAMPLES), 10)),
    _edf(
        "a unit that may be milli or mega",
        _with(Signal(unit="MV")),
        lead("II", list(_SAMPLES)),
        notes=("II: its unit is not a unit of voltage, so its gain is left out",),
    ),
    _edf(
        "no unit",
        _with(Signal(unit="")),
        lead("II", list(_SAMPLES)),
        notes=("ECG II: has no unit, so its gain is left out",),
    ),
    _edf(
        "numbers of an ADC",
        _with(Signal(unit="adu")),
        lead("II", list(_SAMPLES)),
        notes=("ECG II: its unit is not a unit of voltage, so its gain is left out",),
    ),
    _edf(
        "a heart rate whose label begins with ECG",
        File((Signal("ECG II"), Signal("ECG HR", "bpm")), struct.pack("<16h", *range(16))),
        lead("II", [0, 1, 2, 3, 8, 9, 10, 11], 10_000),
        notes=("left out, because they are not ECG leads: ECG HR",),
    ),
    _edf("decimal commas", _with(Signal(least="-3276,8", most="3276,7")), _II),
    _edf(
        "a limit that is not a number",
        _with(Signal(least="low")),
        refusal="byte 360: the physical minimum of signal 1 (ECG II) must be a number",
    ),
    _edf(
        "an empty limit",
        _with(Signal(high="")),
        refusal="byte 384: the digital maximum of signal 1 (ECG II) must be a number",
    ),
    _edf(
        "physical limits that are swapped",
        _with(Signal(least="3276.7", most="-3276.8")),
        lead("II", [-11, 9] * 4, 10_000),
        notes=("II: is stored upside down, so its samples are negated",),
    ),
    _edf(
        "digital limits that are swapped",
        _with(Signal(least="-3276.7", most="3276.8", low="32767", high="-32768")),
        lead("II", [-10, 10] * 4, 10_000),
        notes=("II: is stored upside down, so its samples are negated",),
    ),
    _edf("all limits swapped", _with(Signal("ECG II", "uV", "3276.7", "-3276.8", "32767", "-32768")), _II),
    _edf(
        "equal limits",
        _with(Signal(least="0", most="0")),
        lead("II", list(_SAMPLES)),
        notes=("ECG II: its limits are equal, so its gain is left out",),
    ),
    _edf(
        "limits that are not symmetric about zero",
        _with(Signal(least="-1000", most="1000", low="0", high="2000")),
        lead("II", [-990, -1010] * 4, 1000),
    ),
    _edf(
        "BDF with the suffix of EDF",
        File((_24_BIT_SIGNAL,), _24_BITS, version=_BDF, reserved="24BIT"),
        lead("II", [100_000, -100_000] * 4, 1000),
    ),
    _edf("EDF with the suffix of BDF", _PLAIN, _II, suffix="bdf"),
    _edf(
        "BDF", File((_24_BIT_SIGNAL,), _24_BITS, version=_BDF), lead("II", [100_000, -100_000] * 4, 1000), suffix="bdf"
    ),
    _edf(
        "another format with the suffix of EDF",
        replace(_PLAIN, version=b"RIFFWAVE"),
        refusal="not an EDF or BDF file: its first bytes are those of neither",
    ),
    _edf(
        "EDF+ that says when its records begin",
        _annotated("+0.5\x14\x14", "+1.5\x14\x14"),
        lead("II", [10, -10, 10, -10, 1, 2, 3, 4], 10_000),
        date="2020-01-01T10:00:00.500000",
    ),
    _edf(
        "EDF+D with a gap",
        _annotated("+0\x14\x14", "+2.5\x14\x14", "+3.5\x14\x14", reserved="EDF+D"),
        lead("II", [10, -10, 10, -10, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 10, -10, 10, -10], 10_000, ((4, 6),)),
        notes=("II: 6 missing samples became 0",),
    ),
    *(
        _edf(
            f"a duration of data records that is rounded {where}",
            _rounded(duration, rate),
            lead(
                "II",
                [*range(1, 1 + _BEFORE_GAP), *[0] * 5, *range(1 + _BEFORE_GAP, 1 + _RECORDS)],
                10_000,
                ((_BEFORE_GAP, 5),),
            ),
            rate=1 / float(duration),
            notes=("II: 5 missing samples became 0",),
        )
        for where, duration, rate in (("down", "0.001001", 1 / 0.00100199), ("up", "0.001002", 1 / 0.00100101))
    ),
    _edf(
        "EDF+C that never says when its records begin",
        _annotated("", ""),
        lead("II", [10, -10, 10, -10, 1, 2, 3, 4], 10_000),
        notes=("none of its data records says when it begins, so they are read one after the other",),
    ),
    _edf(
        "EDF+C of which a record does not say when it begins",
        _annotated("+0\x14\x14", ""),
        refusal="byte 800: data record 2 does not say when it begins",
    ),
    _edf(
        "a gap of a number of seconds that is too large",
        _annotated("+0\x14\x14", f"+{'9' * 400}", reserved="EDF+D", width=400),
        refusal="has gaps that are far longer than the recording: split it at them",
    ),
    _edf(
        "data records out of order",
        _annotated("+5\x14\x14", "+1\x14\x14", reserved="EDF+D"),
        refusal="data record 2 begins before the one before it ends",
    ),
    _edf(
        "a gap of a year",
        _annotated("+0\x14\x14", "+31536000\x14\x14", reserved="EDF+D"),
        refusal="has gaps that are far longer than the recording: split it at them",
    ),
    _edf(
        "EDF+D without annotations",
        replace(_PLAIN, reserved="EDF+D"),
        _II,
        notes=("its header says that it has gaps (EDF+D), but it does not say where, so they are left out",),
    ),
    Case(
        "a longer header than that of its signals",
        {"x.edf": _sized(_PLAIN.content, 1024)[:512] + bytes(512) + _STORED},
        refusal="byte 184: the header of 1 signals has 512 bytes, not 1024",
    ),
    Case(
        "a wrong size of its header",
        {"x.edf": _sized(_PLAIN.content, 1024)},
        (_II,),
        4,
        _DATE,
    ),
    _edf(
        "a data record that does not say when it begins",
        _annotated("+0\x14\x14", "", reserved="EDF+D"),
        refusal="byte 800: data record 2 does not say when it begins",
    ),
    _edf(
        "signals of another type beside typed ECGs",
        File((Signal("EEG C3"), Signal("ECG I"), Signal("V5")), struct.pack("<24h", *range(24))),
        lead("I", [4, 5, 6, 7, 16, 17, 18, 19], 10_000),
        lead("V5", [8, 9, 10, 11, 20, 21, 22, 23], 10_000),
        notes=("left out, because they are not ECG leads: EEG C3",),
    ),
    _edf(
        "a signal that is chosen by the name of its lead",
        File((Signal("ECG I"), Signal("ECG II")), struct.pack("<16h", *range(16))),
        lead("II", [4, 5, 6, 7, 12, 13, 14, 15], 10_000),
        wanted=("II",),
    ),
    _edf(
        "respiration and a trigger beside leads without a type",
        File(
            (Signal("V1"), Signal("Resp", "V"), Signal("Status", "Boolean"), Signal("Chest", "uV")),
            struct.pack("<32h", *range(32)),
        ),
        lead("V1", [0, 1, 2, 3, 16, 17, 18, 19], 10_000),
        lead("Chest", [12, 13, 14, 15, 28, 29, 30, 31], 10_000),
        notes=(
            "left out, because they are not ECG leads: Resp, Status",
            "read as leads, although their names are unknown: Chest",
        ),
    ),
    _edf(
        "a file that is cut short",
        replace(_PLAIN, records=_STORED[:-3]),
        lead("II", [10, -10, 10, -10], 10_000),
        notes=("the header announces 2 data records, and the file has 1",),
    ),
    _edf(
        "a number of records that was never filled in",
        replace(_PLAIN, count="-1", records=_STORED + b"\0\0\0"),
        _II,
        notes=("the file ends with 3 bytes of an incomplete data record, which are left out",),
    ),
    _edf("an anonymised file", replace(_PLAIN, recording="Startdate X X X X"), _II, date=None),
    _edf("an invalid date", replace(_PLAIN, recording="", date="00.00.00"), _II, date=None),
    _edf("a date in the 20th century", replace(_PLAIN, recording="", date="31.12.99"), _II, date="1999-12-31T10:00:00"),
    _edf("no data", replace(_PLAIN, records=b""), refusal="has no samples: it holds no whole data record"),
    _edf(
        "a duration of 0",
        replace(_PLAIN, duration="0"),
        refusal="byte 244: the duration of a data record must be above 0",
    ),
    Case(
        "a header that is cut short",
        {"x.edf": _PLAIN.content[:400]},
        refusal="its header is cut short: it has 400 of 512 bytes",
    ),
    Case("an empty file", {"x.bdf": b""}, refusal="not an EDF or BDF file: its first bytes are those of neither"),
]
