"""WFDB records: segments, frames, markers of missing samples, headers with few fields."""

import gzip
import struct
from collections.abc import Sequence

import numpy as np

from tests.recordings.case import Case, lead

_BEAT = [10, -10, 10, -10, 10, -10]


def shorts(*samples: int) -> bytes:
    """Return samples in format 16."""
    return struct.pack(f"<{len(samples)}h", *samples)


def _record(name: str, header: str, stored: bytes, encoding: str = "utf-8") -> dict[str, bytes]:
    return {f"{name}.hea": header.encode(encoding), f"{name}.dat": stored}


def _packed_212(samples: Sequence[int]) -> bytes:
    stored = bytearray()
    for first, second in zip(samples[::2], samples[1::2], strict=True):
        stored += bytes((first & 0xFF, (first >> 8 & 0x0F) | (second >> 8 & 0x0F) << 4, second & 0xFF))
    return bytes(stored)


def _packed_310(samples: Sequence[int]) -> bytes:
    stored = b""
    for i in range(0, len(samples), 3):
        first, second, third = (sample & 0x3FF for sample in samples[i : i + 3])
        stored += struct.pack("<HH", first << 1 | (third & 0x1F) << 11, second << 1 | (third >> 5) << 11)
    return stored


def _packed_311(samples: Sequence[int]) -> bytes:
    stored = b""
    for i in range(0, len(samples), 3):
        first, second, third = (sample & 0x3FF for sample in samples[i : i + 3])
        stored += struct.pack("<I", first | second << 10 | third << 20)
    return stored


# The same samples in every format: the least value marks a missing one, except in format 8.
_STORED = {
    "16": (shorts(10, -(2**15), -10, 7, 0, -7), -(2**15)),
    "24": (b"".join(struct.pack("<i", s << 8)[1:] for s in (10, -(2**23), -10, 7, 0, -7)), -(2**23)),
    "32": (struct.pack("<6i", 10, -(2**31), -10, 7, 0, -7), -(2**31)),
    "61": (struct.pack(">6h", 10, -(2**15), -10, 7, 0, -7), -(2**15)),
    "80": (bytes(s + 128 for s in (10, -128, -10, 7, 0, -7)), -128),
    "160": (struct.pack("<6H", *(s + 2**15 for s in (10, -(2**15), -10, 7, 0, -7))), -(2**15)),
    "212": (_packed_212([10, -(2**11), -10, 7, 0, -7]), -(2**11)),
    "310": (_packed_310([10, -(2**9), -10, 7, 0, -7]), -(2**9)),
    "311": (_packed_311([10, -(2**9), -10, 7, 0, -7]), -(2**9)),
}
_MISSING = ("II: 1 missing samples became 0",)

_FORMATS = [
    Case(
        f"format {code} has its own marker of a missing sample",
        _record("f", f"f 1 250 6\nf.dat {code} 200(1)/mV 0 0 0 0 0 II\n", stored),
        (lead("II", [9, 0, -11, 6, -1, -8], 200, ((1, 1),)),),
        250,
        notes=_MISSING,
    )
    for code, (stored, _) in _STORED.items()
]

_SEGMENT = "200(5)/mV 16 0 5 0 0"
_SEGMENTS = {
    "a.hea": f"a 2 250 3\na.dat 16 {_SEGMENT} II\na.dat 16 {_SEGMENT} V5\n".encode(),
    "a.dat": shorts(15, 5, -5, 6, 15, 7),
    "b.hea": f"b 2 250 2\nb.dat 16 {_SEGMENT} II\nb.dat 16 {_SEGMENT} V5\n".encode(),
    "b.dat": shorts(-5, 8, 15, 9),
}
_LAYOUT = {
    "v.hea": b"v/4 2 250 7 10:00:00.5 01/02/2020\nlayout 0\na 3\n~ 2\nc 2\n",
    "layout.hea": b"layout 2 250 0\n~ 0 100(0)/mV 16 0 0 0 0 II\n~ 0 100/mV 16 0 0 0 0 V5\n",
    "a.hea": b"a 1 250 3\na.dat 16 100(5)/mV 16 0 0 0 0 II\n",
    "a.dat": shorts(15, -5, 15),
    "c.hea": b"c 2 250 2\nc.dat 16 100(1)/mV 16 0 0 0 0 V5\nc.dat 16 100/mV 16 0 0 0 0 II\n",
    "c.dat": shorts(8, -3, -8, 3),
}

CASES = [
    *_FORMATS,
    Case(
        "format 8 holds differences and has no marker",
        _record("r8", "r8 1 250 5\nr8.dat 8 200/mV 8 0 3 0 0 II\n", bytes((0, 0x80, 100, 28, 56))),
        (lead("II", [3, -125, -25, 3, 59], 200),),
        250,
    ),
    Case(
        "format 8 without an initial value begins at the ADC zero",
        _record("r8", "r8 1 250 4\nr8.dat 8 200(1000)/mV 11 1024\n", bytes((5, 0xF6, 10, 0xF6))),
        (lead("lead 1", [29, 19, 29, 19], 200),),
        250,
    ),
    Case(
        "segments of a fixed layout, with a gap",
        {"m.hea": b"m/3 2 250 7 10:00:00 01/02/2020\na 3\n~ 2\nb 2\n", **_SEGMENTS},
        (
            lead("II", [10, -10, 10, 0, 0, -10, 10], 200, ((3, 2),)),
            lead("V5", [0, 1, 2, 0, 0, 3, 4], 200, ((3, 2),)),
        ),
        250,
        "2020-02-01T10:00:00",
        ("II: 2 missing samples became 0", "V5: 2 missing samples became 0"),
    ),
    Case(
        "segments of a variable layout, whose signals come and go",
        _LAYOUT,
        (
            lead("II", [10, -10, 10, 0, 0, -3, 3], 100, ((3, 2),)),
            lead("V5", [0, 0, 0, 0, 0, 7, -9], 100, ((0, 5),)),
        ),
        250,
        "2020-02-01T10:00:00.500000",
        ("II: 2 missing samples became 0", "V5: 5 missing samples became 0"),
    ),
    Case(
        "a segment that is cut short",
        {
            "m.hea": b"m/2 2 250 6\na 4\nb 2\n",
            **_SEGMENTS,
        },
        (lead("II", [10, -10, 10, 0, -10, 10], 200, ((3, 1),)), lead("V5", [0, 1, 2, 0, 3, 4], 200, ((3, 1),))),
        250,
        notes=(
            "a.dat is too short: it has 3 of 4 frames, which are read",
            "II: 1 missing samples became 0",
            "V5: 1 missing samples became 0",
        ),
    ),
    Case(
        "a segment whose header is missing",
        {"m.hea": b"m/2 2 250 5\na 3\nb 2\n", "a.hea": _SEGMENTS["a.hea"], "a.dat": _SEGMENTS["a.dat"]},
        refusal="its segment b is missing: b.hea belongs beside it",
    ),
    Case(
        "segments with different gains",
        {
            "m.hea": b"m/2 2 250 5\na 3\nb 2\n",
            **_SEGMENTS,
            "b.hea": _SEGMENTS["b.hea"].replace(b"200(5)", b"100(5)", 1),
        },
        refusal="II: its gain differs between segments: read them one by one",
    ),
    Case(
        "segments whose signals have the same name",
        {
            "m.hea": b"m/3 2 250 7\na 3\n~ 2\nb 2\n",
            **{name: content.replace(b" II", b" ECG").replace(b" V5", b" ECG") for name, content in _SEGMENTS.items()},
        },
        (
            lead("ECG", [10, -10, 10, 0, 0, -10, 10], 200, ((3, 2),)),
            lead("ECG", [0, 1, 2, 0, 0, 3, 4], 200, ((3, 2),)),
        ),
        250,
        notes=("ECG: 2 missing samples became 0", "ECG: 2 missing samples became 0"),
    ),
    Case(
        "a signal that the layout lacks",
        {**_LAYOUT, "layout.hea": b"layout 1 250 0\n~ 0 100(0)/mV 16 0 0 0 0 II\n"},
        (lead("II", [10, -10, 10, 0, 0, -3, 3], 100, ((3, 2),)),),
        250,
        "2020-02-01T10:00:00.500000",
        ("left out, because they are not in the record's layout: V5", "II: 2 missing samples became 0"),
    ),
    Case(
        "a signal that the first segment lacks",
        {
            "m.hea": b"m/2 1 250 6\na 3\nb 2\n",
            **_SEGMENTS,
            "a.hea": f"a 1 250 3\na.dat 16 {_SEGMENT} II\n".encode(),
            "a.dat": shorts(15, -5, 15),
        },
        (lead("II", [10, -10, 10, -10, 10], 200),),
        250,
        notes=(
            "its header announces 6 frames, and its segments have 5",
            "left out, because they are not in the record's first segment: V5",
        ),
    ),
    Case(
        "more segments than announced",
        {"m.hea": b"m/1 2 250 3\na 3\nb 2\n", **_SEGMENTS},
        refusal="line 3: describes more segments than the 1 that line 1 announces",
    ),
    Case(
        "several samples per frame, and a signal that is not an ECG",
        _record(
            "spf",
            "spf 2 250 3\nspf.dat 16x4 200/mV 16 0 10 0 0 II\nspf.dat 16 100/V 16 0 1 0 0 RESP\n",
            shorts(10, -10, 10, -10, 1, 10, -10, -(2**15), -10, 2, 20, -20, 20, -20, 3),
        ),
        (lead("II", [10, -10, 10, -10, 10, -10, 0, -10, 20, -20, 20, -20], 200, ((6, 1),)),),
        1000,
        notes=("left out, because they are not ECG leads: RESP", "II: 1 missing samples became 0"),
    ),
    Case(
        "leads of different rates",
        _record(
            "two",
            "two 2 250 2\ntwo.dat 16x2 200/mV 16 0 0 0 0 II\ntwo.dat 16 200/mV 16 0 0 0 0 V5\n",
            shorts(1, -1, 7, 2, -2, 8),
        ),
        (lead("II", [1, -1, 2, -2], 200), lead("V5", [7, 8], 200)),
        notes=("its leads have different sampling rates, so none is sent: II: 500 Hz, V5: 250 Hz",),
    ),
    Case(
        "leads of different rates, of which one is chosen",
        _record(
            "two",
            "two 2 250 2\ntwo.dat 16x2 200/mV 16 0 0 0 0 II\ntwo.dat 16 200/mV 16 0 0 0 0 V5\n",
            shorts(1, -1, 7, 2, -2, 8),
        ),
        (lead("V5", [7, 8], 200),),
        250,
        wanted=("V5",),
    ),
    Case(
        "signals that are not leads by their name or unit",
        _record(
            "icu",
            "icu 4 125 2\nicu.dat 16 200/mV 16 0 0 0 0 MCL1\nicu.dat 16 10/mmHg 16 0 0 0 0 ABP\n"
            "icu.dat 16 10/NU 16 0 0 0 0 PLETH\nicu.dat 16 10/Ohm 16 0 0 0 0 chest\n",
            shorts(5, 1, 2, 3, -5, 1, 2, 3),
        ),
        (lead("MCL1", [5, -5], 200),),
        125,
        notes=("left out, because they are not ECG leads: ABP, PLETH, chest",),
    ),
    Case(
        "a pressure that is chosen as a lead",
        _record("p", "p 1 125 2\np.dat 16 10/mmHg 16 0 0 0 0 ABP\n", shorts(5, -5)),
        (lead("ABP", [5, -5]),),
        125,
        notes=("ABP: its unit is not a unit of voltage, so its gain is left out",),
        wanted=("ABP",),
    ),
    Case(
        "a record without an ECG",
        _record("p", "p 1 125 2\np.dat 16 10/mmHg 16 0 0 0 0 ABP\n", shorts(5, -5)),
        refusal="has no ECG leads: ABP; to send a channel anyway, name it as a lead",
    ),
    Case(
        "a lead that does not exist",
        _record("p", "p 1 125 2\np.dat 16 10/mV 16 0 0 0 0 II\n", shorts(5, -5)),
        refusal="has no lead V1: its channels are II",
        wanted=("V1",),
    ),
    Case(
        "a skewed signal",
        _record(
            "s", "s 2 250 3\ns.dat 16 200/mV 16 0 0 0 0 I\ns.dat 16:1 200/mV 16 0 0 0 0 II\n", shorts(1, 9, 2, 8, 3, 7)
        ),
        (lead("I", [1, 2, 3], 200), lead("II", [8, 7, 0], 200, ((2, 1),))),
        250,
        notes=_MISSING,
    ),
    *(
        Case(
            f"skewed signals {where} in format {code}",
            _record(
                "s",
                f"s 2 250 3\ns.dat {code}x2 200/mV 16 0 0 0 0 I\ns.dat {code}x2:2 200/mV 16 0 0 0 0 II\n",
                b"".join(stored(n, -n, -n, n) for n in range(1, frames + 1)),
            ),
            (lead("I", one, 200), lead("II", two, 200, missing)),
            500,
            notes=notes,
        )
        for code, stored, one, other in (
            ("16", shorts, [1, -1, 2, -2, 3, -3], [-3, 3, -4, 4, -5, 5]),
            ("8", lambda *n: struct.pack("4b", *n), [1, 0, 2, 0, 3, 0], [-3, 0, -4, 0, -5, 0]),
        )
        for where, frames, two, missing, notes in (
            ("whose end is stored", 5, other, (), ()),
            ("whose end is stored in part", 4, [*other[:4], 0, 0], ((4, 2),), ("II: 2 missing samples became 0",)),
            (
                "and more frames",
                6,
                other,
                (),
                ("s.dat is longer than its header says: it has 6 frames, and 3 are read",),
            ),
        )
    ),
    *(
        Case(
            f"a header in {encoding}",
            _record(
                "mu",
                "mu 2 250 3\nmu.dat 16 1/\u00b5V 16 0 1 0 0 ECG lead 2\nmu.dat 16 1/\u00b5V 16 0 1 0 0 V1 h\u00f6her\n",
                shorts(*_BEAT),
                encoding,
            ),
            (lead("ECG lead 2", [10] * 3, 1000), lead("V1 h\u00f6her", [-10] * 3, 1000)),
            250,
            notes=("read as leads, although their names are unknown: V1 h\u00f6her",),
        )
        for encoding in ("utf-8", "latin-1")
    ),
    Case(
        "an invalid date",
        _record("d", "d 1 250 3 10:00:00 2006\nd.dat 16 200/mV 16 0 1 0 0 II\n", shorts(1, -1, 1)),
        (lead("II", [1, -1, 1], 200),),
        250,
        notes=("its header's date is invalid, so it is left out",),
    ),
    Case(
        "a day that does not exist",
        _record("d", "d 1 250 3 10:00:00 31/02/2020\nd.dat 16 200/mV 16 0 1 0 0 II\n", shorts(1, -1, 1)),
        (lead("II", [1, -1, 1], 200),),
        250,
        notes=("its header's date is invalid, so it is left out",),
    ),
    Case(
        "a header without optional fields",
        _record("n", "n 1\nn.dat 16\n", shorts(1, -1, 1)),
        (lead("lead 1", [1, -1, 1]),),
        250,
        notes=(
            "its header has no sampling rate: WFDB's default of 250 Hz applies",
            "lead 1: is not calibrated, so its gain is left out",
        ),
    ),
    Case(
        "a header with comments and a file offset, a name with dots, and no length",
        {
            "x.1.hea": b"# written by hand\r\n\r\nx.1 1 360/1000(5)\r\n"
            b"x.1.dat 16+4 0.5(-2)/uV 12 0 0 0 0  lead  II \r\n# <age>: 70\r\n",
            "x.1.dat": b"head" + shorts(-3, -1),
        },
        (lead("lead  II", [-1, 1], 500),),
        360,
    ),
    Case(
        "a file that ends early",
        _record("short", "short 1 250 5\nshort.dat 16 200/mV 16 0 0 0 0 II\n", shorts(1, -1, 1)),
        (lead("II", [1, -1, 1], 200),),
        250,
        notes=("short.dat is too short: it has 3 of 5 frames, which are read",),
    ),
    Case(
        "a file that is too long",
        _record("long", "long 1 250 2\nlong.dat 16 200/mV 16 0 0 0 0 II\n", shorts(1, -1, 1)),
        (lead("II", [1, -1], 200),),
        250,
        notes=("long.dat is longer than its header says: it has 3 frames, and 2 are read",),
    ),
    Case(
        "a negative gain",
        _record("up", "up 1 250 3\nup.dat 16 -200/mV 16 0 0 0 0 II\n", shorts(1, -1, 2)),
        (lead("II", [-1, 1, -2], 200),),
        250,
        notes=("II: is stored upside down, so its samples are negated",),
    ),
    Case(
        "gzipped header and signals",
        {
            "z.hea.gz": gzip.compress(b"z 1 250 3\nz.dat 16 200/mV 16 0 0 0 0 II\n"),
            "z.dat.gz": gzip.compress(shorts(1, -1, 1)),
        },
        (lead("II", [1, -1, 1], 200),),
        250,
    ),
    Case(
        "annotations and other files beside a record",
        {
            **_record("a", "a 1 250 2\na.dat 16 200/mV 16 0 0 0 0 II\n", shorts(1, -1)),
            "a.atr": b"\x00\x04\x00\x00",
            "a.qrs": b"\x00\x00",
        },
        (lead("II", [1, -1], 200),),
        250,
    ),
    Case(
        "a channel whose file is missing",
        _record("g", "g 2 250 2\ng.dat 16 200/mV 16 0 0 0 0 I\ngone.dat 16 200/mV 16 0 0 0 0 vx\n", shorts(1, -1)),
        (lead("I", [1, -1], 200),),
        250,
        notes=("left out, because their file is missing: vx",),
    ),
    Case(
        "a lead with only missing samples",
        _record(
            "e",
            "e 2 250 2\ne.dat 16 200/mV 16 0 0 0 0 I\ne.dat 16 200/mV 16 0 0 0 0 II\n",
            shorts(1, -(2**15), -1, -(2**15)),
        ),
        (lead("I", [1, -1], 200),),
        250,
        notes=("left out, because all of their samples are missing: II",),
    ),
    Case(
        "no signal file",
        {"g.hea": b"g 1 250 2\ngone.dat 16 200/mV 16 0 0 0 0 I\n"},
        refusal="its signal file gone.dat is missing: it belongs beside the header",
    ),
    Case(
        "a signal file whose name is too long",
        {"g.hea": f"g 1 250 2\n{'g' * 300}.dat 16 200/mV 16 0 0 0 0 I\n".encode()},
        refusal=f"its signal file {'g' * 300}.dat is missing: it belongs beside the header",
    ),
    Case("no header", {"g.hea": b"# nothing\n"}, refusal="not a WFDB record: its first line does not describe one"),
    Case(
        "too few signals",
        {"g.hea": b"g 2 250 2\ng.dat 16 200/mV 16 0 0 0 0 I\n"},
        refusal="not a WFDB record: its header describes 1 of 2 signals",
    ),
    Case(
        "too many signals",
        _record("g", "g 1 250 2\ng.dat 16 200/mV 16 0 0 0 0 I\ng.dat 16 200/mV 16 0 0 0 0 II\n", shorts(1, 2, -1, -2)),
        refusal="line 3: describes more signals than the 1 that line 1 announces",
    ),
    Case(
        "text below the signals",
        _record("g", "g 1 250 2\ng.dat 16 200/mV 16 0 0 0 0 I\nAge 80\nrecorded by hand\n", shorts(1, -1)),
        (lead("I", [1, -1], 200),),
        250,
    ),
    Case(
        "a gain per ADC unit",
        _record("g", "g 1 250 2\ng.dat 16 1/adu 16 0 0 0 0 I\n", shorts(1, -1)),
        (lead("I", [1, -1]),),
        250,
        notes=("I: its unit is not a unit of voltage, so its gain is left out",),
    ),
    Case(
        "a signal that is not described",
        _record("g", "# by hand\ng 1 250 2\ng.dat sixteen\n", shorts(1)),
        refusal="line 3: signal 1 is not described in WFDB's format",
    ),
    Case(
        "an unknown format",
        _record("g", "g 1 250 2\ng.dat 17 200/mV 16 0 0 0 0 I\n", shorts(1, 2)),
        refusal="g.dat is stored in WFDB format 17; the formats that can be read are "
        "8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524",
    ),
    Case(
        "a file in another folder",
        {"g.hea": b"g 1 250 2\n../g.dat 16 200/mV 16 0 0 0 0 I\n"},
        refusal="line 2: names a file in another folder: put the record's files into one folder",
    ),
    Case(
        "a gap that is far too long",
        {"m.hea": b"m/2 2 250\na 3\n~ 900000000\n", "a.hea": _SEGMENTS["a.hea"], "a.dat": _SEGMENTS["a.dat"]},
        refusal="has gaps that are far longer than the recording: read its segments one by one",
    ),
]


def flac_cases() -> list[Case]:
    """Return records with FLAC signals, which the page does not read."""
    import io  # noqa: PLC0415

    import soundfile  # noqa: PLC0415

    cases = []
    for code, subtype, shift in (("508", "PCM_S8", 24), ("516", "PCM_16", 16), ("524", "PCM_24", 8)):
        marker = -(2 ** (31 - shift))
        stored = np.array([[10, 3], [marker, -3], [-10, 3]], np.int32) << shift
        file = io.BytesIO()
        soundfile.write(file, stored, 250, subtype, format="FLAC")
        header = f"f 2 250 3\nf.dat {code} 200/mV 0 0 0 0 0 II\nf.dat {code} 200/mV 0 0 0 0 0 V5\n"
        cases.append(
            Case(
                f"format {code} is FLAC",
                _record("f", header, file.getvalue()),
                (lead("II", [10, 0, -10], 200, ((1, 1),)), lead("V5", [3, -3, 3], 200)),
                250,
                notes=_MISSING,
                page=f"f.dat is stored in WFDB format {code} (FLAC), which only the command ecg reads",
            )
        )
        # libsndfile finds no frame of samples behind comments of another length than theirs, and reports no error.
        damaged = file.getvalue().replace(b"libFLAC", b"libFLAC---")
        cases.append(
            Case(
                f"damaged FLAC of format {code}",
                _record("f", header, damaged),
                refusal="f.dat is broken: its samples do not have its checksum",
                page=cases[-1].page,
            )
        )
    return cases
