"""Files of electrocardiographs: DICOM, HL7 aECG, GE MUSE, Philips Sierra, ISHNE, SCP-ECG and FHIR."""

import base64
import binascii
import io
import struct
from typing import Any

import numpy as np
import orjson
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from tests.recordings.case import Case, ExpectedLead, lead

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_DERIVED = "III, aVR, aVL and aVF are not in the file: they are derived from I and II"
_MEDIANS = "left out, because they are not part of the rhythm: its median beats"


def _only_here(suffix: str) -> str:
    return f"ends with {suffix}, which only the command ecg reads"


def _twelve(gain: float | None) -> tuple[ExpectedLead, ...]:
    """Return the twelve leads of I = 4, -4, 3 and II = 1, 2, -7, and V1 = 1, 2, 3 to V6 = 6, 7, 8."""
    twice = None if gain is None else 2 * gain
    return (
        lead("I", [4, -4, 3], gain),
        lead("II", [1, 2, -7], gain),
        lead("III", [-3, 6, -10], gain),
        lead("aVR", [-5, 2, 4], twice),
        lead("aVL", [7, -10, 13], twice),
        lead("aVF", [-2, 8, -17], twice),
        *(lead(f"V{i}", [i, i + 1, i + 2], gain) for i in range(1, 7)),
    )


def stored_samples(name: str) -> list[int]:
    """Return the samples of one of the eight leads."""
    if name in ("I", "II"):
        return [4, -4, 3] if name == "I" else [1, 2, -7]
    first = int(name[1:])
    return [first, first + 1, first + 2]


def dicom(groups: list[dict[str, Any]], date: str = "20260102030405.5", order: str = "<") -> bytes:
    """Return a DICOM file of multiplex groups, each given as the arguments of `_group`."""
    dataset = Dataset()
    dataset.PatientName = "Somebody^Else"
    dataset.AcquisitionDateTime = date
    dataset.TimezoneOffsetFromUTC = "+0100"
    dataset.WaveformSequence = Sequence([_group(order=order, **group) for group in groups])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if order == "<" else ExplicitVRBigEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.9.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.3"
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _group(  # noqa: PLR0917 - the fields of a group
    channels: dict[str, list[int]],
    order: str = "<",
    rate: float = 500,
    originality: str = "ORIGINAL",
    sensitivity: str | None = "2.5",
    baseline: str = "0",
    padding: int | None = None,
    correction: str = "1",
    unit: str = "uV",
    interpretation: str | None = "SS",
    late: str | None = None,
    skews: tuple[str, ...] = (),
    described: int | None = None,
) -> Dataset:
    group = Dataset()
    if late is not None:
        group.MultiplexGroupTimeOffset = late
    group.WaveformOriginality = originality
    group.NumberOfWaveformChannels = len(channels)
    group.NumberOfWaveformSamples = len(next(iter(channels.values())))
    group.SamplingFrequency = str(rate)
    definitions = []
    for i, code in enumerate(channels):
        source = Dataset()
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = code, "MDC", f"Lead {code}"
        channel = Dataset()
        channel.ChannelSourceSequence = Sequence([source])
        channel.WaveformBitsStored = 16
        if sensitivity is not None:
            units = Dataset()
            units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", "unit"
            channel.ChannelSensitivity = sensitivity
            channel.ChannelSensitivityUnitsSequence = Sequence([units])
            channel.ChannelSensitivityCorrectionFactor = correction
            channel.ChannelBaseline = baseline
        if skews:
            channel.ChannelTimeSkew = skews[i]
        definitions.append(channel)
    group.ChannelDefinitionSequence = Sequence(definitions[:described])
    group.WaveformBitsAllocated = 16
    if interpretation is not None:
        group.WaveformSampleInterpretation = interpretation
    rows = zip(*channels.values(), strict=True)
    group.add_new("WaveformData", "OW", b"".join(struct.pack(f"{order}{len(channels)}h", *row) for row in rows))
    if padding is not None:
        group.add_new("WaveformPaddingValue", "OW", struct.pack(f"{order}h", padding))
    return group


_NO_SCALE = "its scale must be a number other than 0: 0 leaves nothing of the signal"
_DATE = "2026-01-02T03:04:05.500000+01:00"
CODES = {"I": "2:1", "II": "2:2", "V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8"}


def _dicom(name: str, groups: list[dict[str, Any]], *leads: ExpectedLead, **expected: Any) -> Case:
    given = expected if "refusal" in expected else {"rate": 500, "date": _DATE, **expected}
    return Case(name, {"x.dcm": dicom(groups)}, leads, page=_only_here(".dcm"), **given)


_DICOM = [
    _dicom(
        "eight leads, from which four are derived",
        [{"channels": {CODES[name]: stored_samples(name) for name in EIGHT}}],
        *_twelve(400),
        notes=(_DERIVED,),
    ),
    _dicom(
        "median beats beside the rhythm",
        [
            {"channels": {"5.6.3-9-2": [5, -5, 6]}},
            {"channels": {"5.6.3-9-2": [1, 2]}, "originality": "DERIVED"},
        ],
        lead("II", [5, -5, 6], 400),
        notes=("left out, because they are not part of the rhythm: its multiplex groups 2 (2 samples)",),
    ),
    _dicom(
        "leads in two groups",
        [{"channels": {"2:1": [5, -5]}}, {"channels": {"2:2": [7, -7]}}],
        lead("I", [5, -5], 400),
        lead("II", [7, -7], 400),
    ),
    _dicom(
        "a baseline, a correction and padding",
        [{"channels": {"2:2": [5, -32768, 6]}, "baseline": "10", "correction": "2", "padding": -32768}],
        lead("II", [7, 0, 8], 200, ((1, 1),)),
        notes=("II: 1 missing samples became 0",),
    ),
    _dicom(
        "a baseline between two samples",
        [{"channels": {"2:2": [5, -5]}, "baseline": "0.3"}],
        lead("II", [128, -122], 10_000),
        notes=("so that no decimals are lost, an ADC unit is 0.1 uV",),
    ),
    _dicom(
        "channels without calibration",
        [{"channels": {"2:2": [5, -5]}, "sensitivity": None}],
        lead("II", [5, -5]),
        notes=("II: is not calibrated, so its gain is left out",),
    ),
    _dicom(
        "a sensitivity of 0",
        [{"channels": {"2:2": [5, -5]}, "sensitivity": "0"}],
        refusal=f"II: {_NO_SCALE}",
    ),
    _dicom(
        "a correction of 0",
        [{"channels": {"2:2": [5, -5]}, "correction": "0"}],
        refusal=f"II: {_NO_SCALE}",
    ),
    _dicom(
        "a group that begins later",
        [{"channels": {"2:1": [5, -5]}, "late": "0"}, {"channels": {"2:2": [7, -7]}, "late": "6"}],
        lead("I", [5, -5], 400),
        lead("II", [0, 0, 0, 7, -7], 400, ((0, 3),)),
        notes=("II: 3 missing samples became 0",),
    ),
    _dicom(
        "a group that begins earlier than the one before it",
        [{"channels": {"2:1": [5, -5]}, "late": "2500"}, {"channels": {"2:2": [7, -7]}, "late": "2494"}],
        lead("I", [0, 0, 0, 5, -5], 400, ((0, 3),)),
        lead("II", [7, -7], 400),
        notes=("I: 3 missing samples became 0",),
    ),
    _dicom(
        "channels with skew",
        [{"channels": {"2:1": [5, -5], "2:2": [7, -7]}, "skews": ("0", "0.001")}],
        lead("I", [5, -5], 400),
        lead("II", [7, -7], 400),
        notes=("its channels were sampled one after the other (skew), which is left out",),
    ),
    _dicom(
        "fewer descriptions than channels",
        [{"channels": {"2:1": [5, -5], "2:2": [7, -7]}, "described": 1}],
        refusal="multiplex group 1: describes 1 of 2 channels",
    ),
    _dicom(
        "companded samples",
        [{"channels": {"2:2": [5, -5]}, "interpretation": "MB"}],
        refusal="multiplex group 1: its WaveformSampleInterpretation must be SB, UB, SS, US, SL, UL",
    ),
    _dicom(
        "samples of an unknown kind",
        [{"channels": {"2:2": [5, -5]}, "interpretation": None}],
        refusal="multiplex group 1: has no WaveformSampleInterpretation",
    ),
    Case(
        "big-endian samples, and a date without seconds",
        {"x.dcm": dicom([{"channels": {"2:2": [5, -5, 300]}}], "202601020304", ">")},
        (lead("II", [5, -5, 300], 400),),
        500,
        "2026-01-02T03:04:00+01:00",
        page=_only_here(".dcm"),
    ),
    Case(
        "a date without a time",
        {"x.dcm": dicom([{"channels": {"2:2": [5, -5]}}], "20260102")},
        (lead("II", [5, -5], 400),),
        500,
        notes=("its date is invalid or incomplete, so it is left out",),
        page=_only_here(".dcm"),
    ),
    _dicom("no waveforms", [], refusal="holds no original waveforms"),
    Case(
        "another format",
        {"x.dcm": b"no DICOM at all"},
        refusal="not a DICOM file with waveforms, or broken: InvalidDicomError",
        page=_only_here(".dcm"),
    ),
]

_AECG = """<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<effectiveTime><low value="20260102030405"/></effectiveTime>
<component><series><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="20260102030405"/></effectiveTime>
<component><sequenceSet>
<component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/>
<value xsi:type="GLIST_TS"><head value="20260102030405"/><increment value="{increment}" unit="s"/></value>
</sequence></component>
{leads}
</sequenceSet></component></series></component></AnnotatedECG>
"""
_AECG_LEAD = """<component><sequence><code code="MDC_ECG_LEAD_{name}" codeSystem="2.16.840.1.113883.6.24"/>
<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/>{scale}<digits>{digits}</digits></value>
</sequence></component>"""


def aecg(scale: str = '<scale value="2.5" unit="uV"/>', increment: str = "0.002") -> bytes:
    """Return an aECG of the eight leads."""
    leads = (
        _AECG_LEAD.format(name=name, scale=scale, digits=" ".join(map(str, stored_samples(name)))) for name in EIGHT
    )
    return _AECG.format(leads="\n".join(leads), increment=increment).encode()


def _muse(per_bit: str = "4.88", base: str = "500", exponent: str = "0", offsets: tuple[int, ...] = (0,) * 8) -> bytes:
    leads = "".join(
        f"<LeadData><LeadByteCountTotal>6</LeadByteCountTotal><LeadTimeOffset>{offset}</LeadTimeOffset>"
        f"<LeadSampleCountTotal>3</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>{per_bit}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
        f"<WaveFormData>{base64.b64encode(struct.pack('<3h', *stored_samples(name))).decode()}</WaveFormData>"
        "</LeadData>"
        for name, offset in zip(EIGHT, offsets, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><RestingECG><PatientDemographics><PatientLastName>Somebody'
        "</PatientLastName></PatientDemographics><TestDemographics><AcquisitionTime>03:04:05</AcquisitionTime>"
        "<AcquisitionDate>01-02-2026</AcquisitionDate></TestDemographics><Waveform><WaveformType>Rhythm</WaveformType>"
        f"<SampleBase>{base}</SampleBase><SampleExponent>{exponent}</SampleExponent><NumberofLeads>8</NumberofLeads>"
        f"{leads}</Waveform></RestingECG>"
    ).encode()


def ishne(samples: list[int], nanovolts: int = 5000) -> bytes:
    """Return an ISHNE Holter file of one lead, which is lead II."""
    header = bytearray(512)
    struct.pack_into("<iiiii", header, 0, 0, len(samples), 522, 522, 1)
    struct.pack_into("<40s", header, 18, b"Somebody")
    struct.pack_into("<3h3h3h", header, 128, 2, 1, 2026, 2, 1, 2026, 3, 4, 5)
    struct.pack_into("<h", header, 146, 1)
    for i in range(12):
        struct.pack_into("<h", header, 148 + 2 * i, 6 if i == 0 else -9)
        struct.pack_into("<h", header, 172 + 2 * i, 0 if i == 0 else -9)
        struct.pack_into("<h", header, 196 + 2 * i, nanovolts if i == 0 else -9)
    struct.pack_into("<h", header, 262, 200)
    # The checksum is CCITT's CRC-16 from all ones.
    checksum = binascii.crc_hqx(bytes(header), 0xFFFF)
    return b"ISHNE1.0" + struct.pack("<H", checksum) + bytes(header) + struct.pack(f"<{len(samples)}h", *samples)


def scp(
    leads: list[list[int]],
    order: int = 0,
    nanovolts: int = 5000,
    interval: int = 2000,
    starts: tuple[int, ...] = (1, 1),
) -> bytes:
    """Return an SCP-ECG record of leads I and II, whose samples are stored as differences of an order."""

    def section(number: int, body: bytes) -> bytes:
        reserved = b"SCPECG" if number == 0 else bytes(6)
        padded = body + bytes(len(body) % 2)
        head = struct.pack("<HIBB", number, 16 + len(padded), 20, 20) + reserved + padded
        return struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + head

    def tag(number: int, value: bytes) -> bytes:
        return struct.pack("<BH", number, len(value)) + value

    patient = tag(2, b"SOMEBODY\0") + tag(14, bytes(36)) + tag(25, struct.pack("<HBB", 2026, 1, 2))
    definitions = b"".join(
        struct.pack("<IIB", start, start + len(samples) - 1, code)
        for code, (start, samples) in enumerate(zip(starts, leads, strict=True), start=1)
    )
    stored = []
    for samples in leads:
        # The first samples, as many as the order, are stored themselves.
        values = [*samples[:order], *np.diff(np.array(samples), order).tolist()]
        stored.append(struct.pack(f"<{len(values)}h", *values))
    rhythm = struct.pack("<HHBB", nanovolts, interval, order, 0)
    rhythm += b"".join(struct.pack("<H", len(values)) for values in stored) + b"".join(stored)
    bodies = {
        1: patient + tag(26, bytes((3, 4, 5))) + tag(255, b""),
        3: bytes((len(leads), 4 | len(leads) << 3)) + definitions,
        6: rhythm,
    }
    sections = {number: section(number, body) for number, body in bodies.items()}
    size = 16 + 10 * 12
    pointers, at = struct.pack("<HII", 0, size, 7), 7 + size
    for number in range(1, 12):
        length = len(sections.get(number, b""))
        pointers += struct.pack("<HII", number, length, at if length else 0)
        at += length
    rest = section(0, pointers) + b"".join(sections.values())
    rest = struct.pack("<I", 6 + len(rest)) + rest
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


def _clinical(name: str, file: str, content: bytes, *leads: ExpectedLead, **expected: Any) -> Case:
    return Case(name, {file: content}, leads, page=_only_here(file[1:]), **expected)


_NOT_CALIBRATED = (*(f"{name}: is not calibrated, so its gain is left out" for name in EIGHT), _DERIVED)
_KINDS = "SCP-ECG, HL7 aECG, GE MUSE XML, Philips Sierra XML or ISHNE"
_OTHERS = [
    _clinical("aECG", "x.xml", aecg(), *_twelve(400), rate=500, date="2026-01-02T03:04:05", notes=(_DERIVED,)),
    _clinical("MUSE", "x.xml", _muse(), *_twelve(1000 / 4.88), rate=500, date="2026-01-02T03:04:05", notes=(_DERIVED,)),
    _clinical("ISHNE", "x.ecg", ishne([5, -5, 6]), lead("II", [5, -5, 6], 200), rate=200, date="2026-01-02T03:04:05"),
    _clinical(
        "ISHNE with a wrong checksum",
        "x.ecg",
        ishne([5, -5, 6])[:8] + b"\1\0" + ishne([5, -5, 6])[10:],
        lead("II", [5, -5, 6], 200),
        rate=200,
        date="2026-01-02T03:04:05",
        notes=("its checksum is wrong, so it may be damaged",),
    ),
    *(
        _clinical(
            f"aECG with {name}",
            "x.xml",
            aecg(scale),
            *_twelve(None),
            rate=500,
            date="2026-01-02T03:04:05",
            notes=_NOT_CALIBRATED,
        )
        for name, scale in (
            ("a scale of 0", '<scale value="0" unit="uV"/>'),
            ("a scale with a decimal comma", '<scale value="2,5" unit="uV"/>'),
            ("an unknown unit", '<scale value="2.5" unit="10*-6.V"/>'),
            ("no scale", ""),
        )
    ),
    _clinical(
        "aECG in volts at 62.5 Hz",
        "x.xml",
        aecg('<scale value="0.001" unit="V"/>', "0.016"),
        *_twelve(1),
        rate=62.5,
        date="2026-01-02T03:04:05",
        notes=(_DERIVED,),
    ),
    _clinical(
        "two aECG series",
        "x.xml",
        aecg().replace(b"</AnnotatedECG>", aecg()[aecg().index(b"<component><series>") :]),
        *_twelve(400),
        rate=500,
        date="2026-01-02T03:04:05",
        notes=("has several recordings, of which the first is read", _DERIVED),
    ),
    _clinical(
        "MUSE with a scale of 0",
        "x.xml",
        _muse("0"),
        *_twelve(None),
        rate=500,
        date="2026-01-02T03:04:05",
        notes=_NOT_CALIBRATED,
    ),
    _clinical(
        "MUSE at 250.5 Hz",
        "x.xml",
        _muse(base="2505", exponent="-1"),
        *_twelve(1000 / 4.88),
        rate=250.5,
        date="2026-01-02T03:04:05",
        notes=(_DERIVED,),
    ),
    _clinical(
        "MUSE with leads that begin at different times",
        "x.xml",
        _muse(offsets=(0, 0, 0, 0, 0, 0, 0, 2500)),
        *_twelve(1000 / 4.88),
        rate=500,
        date="2026-01-02T03:04:05",
        notes=("its leads do not begin at the same time (LeadTimeOffset), which is left out", _DERIVED),
    ),
    *(
        _clinical(
            f"SCP-ECG, differences of order {order}",
            "x.scp",
            scp([[5, -5, 300, -300], [1, 2, 3, 4]], order),
            lead("I", [5, -5, 300, -300], 200),
            lead("II", [1, 2, 3, 4], 200),
            rate=500,
            date="2026-01-02T03:04:05",
        )
        for order in (0, 1, 2)
    ),
    _clinical(
        "SCP-ECG with a lead that begins later",
        "x.scp",
        scp([[5, -5, 6], [1, 2, 3]], starts=(1, 3)),
        lead("I", [5, -5, 6], 200),
        lead("II", [0, 0, 1, 2, 3], 200, ((0, 2),)),
        rate=500,
        date="2026-01-02T03:04:05",
        notes=("II: 2 missing samples became 0",),
    ),
    *(
        _clinical(
            f"SCP-ECG with a sample every {interval} microseconds",
            "x.scp",
            scp([[5, -5], [1, 2]], interval=interval),
            lead("I", [5, -5], 200),
            lead("II", [1, 2], 200),
            rate=rate,
            date="2026-01-02T03:04:05",
        )
        for interval, rate in ((2778, 360), (3200, 312.5))
    ),
    _clinical(
        "SCP-ECG without calibration",
        "x.scp",
        scp([[5, -5], [1, 2]], nanovolts=0),
        lead("I", [5, -5]),
        lead("II", [1, 2]),
        rate=500,
        date="2026-01-02T03:04:05",
        notes=_NOT_CALIBRATED[:2],
    ),
    _clinical(
        "ISHNE without calibration, with a lead fault",
        "x.ecg",
        ishne([5, -32768, 6], -9),
        lead("II", [5, 0, 6], None, ((1, 1),)),
        rate=200,
        date="2026-01-02T03:04:05",
        notes=("II: is not calibrated, so its gain is left out", "II: 1 missing samples became 0"),
    ),
    _clinical(
        "ISHNE that is cut short",
        "x.ecg",
        ishne([5, -5, 6, 7])[:-4],
        lead("II", [5, -5], 200),
        rate=200,
        date="2026-01-02T03:04:05",
        notes=("its header announces 4 samples of a lead, and it has 2",),
    ),
    _clinical("another XML file", "x.xml", b"<note/>", refusal=f"its format is unknown: it is not a file of {_KINDS}"),
    _clinical("a file of zeros", "x.scp", b"\0" * 64, refusal=f"its format is unknown: it is not a file of {_KINDS}"),
]


def _fhir(**sampled: Any) -> bytes:
    component = {
        "code": {"coding": [{"code": "131330", "display": "MDC_ECG_ELEC_POTL_II"}]},
        "valueSampledData": {"period": 2, "dimensions": 1, **sampled},
    }
    document = {
        "resourceType": "Observation",
        "subject": {"display": "Somebody"},
        "effectiveDateTime": "2026-01-02T03:04:05+01:00",
        "component": [component],
    }
    return orjson.dumps(document)


_FHIR_EXPECTED: dict[str, Any] = {
    "rate": 500,
    "date": "2026-01-02T03:04:05+01:00",
    "page": "is a FHIR resource, which only the command ecg reads",
}
_FHIR = [
    Case(
        "FHIR in microvolts",
        {"x.json": _fhir(origin={"value": 0, "unit": "uV"}, factor=2.5, data="5 -5 E 6")},
        (lead("II", [5, -5, 0, 6], 400, ((2, 1),)),),
        notes=("II: 1 missing samples became 0",),
        **_FHIR_EXPECTED,
    ),
    Case(
        "FHIR with an origin",
        {"x.json": _fhir(origin={"value": -20.48, "unit": "millivolt", "code": "mV"}, factor=0.01, data="2053 2043")},
        (lead("II", [5, -5], 100),),
        **_FHIR_EXPECTED,
    ),
    Case(
        "FHIR without a unit",
        {"x.json": _fhir(origin={"value": 2048}, factor=1.612, data="2041 2043")},
        (lead("II", [2041, 2043]),),
        notes=("II: the origin of its samples has no unit of voltage, so they are the file's numbers, without a gain",),
        **_FHIR_EXPECTED,
    ),
    Case(
        "FHIR with a factor of 0",
        {"x.json": _fhir(origin={"value": 0, "unit": "uV"}, factor=0, data="5 -5")},
        refusal=f"II: {_NO_SCALE}",
        page=_FHIR_EXPECTED["page"],
    ),
    Case(
        "FHIR with two units",
        {"x.json": _fhir(origin={"value": 0, "unit": "mV", "code": "uV"}, data="5 -5")},
        refusal="component 1.origin: its code and its unit are different units",
        page=_FHIR_EXPECTED["page"],
    ),
    Case(
        "FHIR with an interval in hertz",
        {"x.json": _fhir(origin={"value": 0, "unit": "uV"}, interval=500, intervalUnit="Hz", data="5 -5")},
        refusal="component 1.intervalUnit: must be ms, s, us",
        page=_FHIR_EXPECTED["page"],
    ),
    Case(
        "FHIR with times of its own",
        {"x.json": _fhir(origin={"value": 0, "unit": "uV"}, offsets="0 2", data="5 -5")},
        (lead("II", [5, -5], 1000),),
        notes=("II: its samples have times of their own (offsets), so no sampling rate is taken from them",),
        **{**_FHIR_EXPECTED, "rate": None},
    ),
    Case(
        "FHIR with a month instead of a date",
        {
            "x.json": _fhir(origin={"value": 0, "unit": "uV"}, data="5 -5").replace(
                b"2026-01-02T03:04:05+01:00", b"2026-01"
            )
        },
        (lead("II", [5, -5], 1000),),
        notes=("its date is invalid or incomplete, so it is left out",),
        **{**_FHIR_EXPECTED, "date": None},
    ),
    Case(
        "FHIR with a word among its data",
        {"x.json": _fhir(origin={"value": 0, "unit": "mV"}, data="5 x")},
        refusal="component 1: its value 2 must be a number, E, U or L",
        page=_FHIR_EXPECTED["page"],
    ),
    Case(
        "another FHIR resource",
        {"x.json": b'{"resourceType": "Patient"}'},
        refusal="is not a FHIR Observation",
        page=_FHIR_EXPECTED["page"],
    ),
]

CASES = [*_DICOM, *_OTHERS, *_FHIR]
