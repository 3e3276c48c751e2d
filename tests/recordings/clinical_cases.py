"""Files of electrocardiographs: DICOM, HL7 aECG, GE MUSE, Philips Sierra, ISHNE, SCP-ECG and FHIR."""

import base64
import binascii
import io
import struct
from typing import Any

import orjson
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from tests.recordings.case import Case, ExpectedLead, lead

_EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_DERIVED = "III, aVR, aVL and aVF are not in the file: they are derived from I and II"
_MEDIANS = "left out, because they are not part of the rhythm: its median beats"


def _only_here(suffix: str) -> str:
    return f"ends with {suffix}, which only the command ecg reads"


def _twelve(gain: float, doubled: float | None = None) -> tuple[ExpectedLead, ...]:
    """Return the twelve leads of I = 4, -4, 3 and II = 1, 2, -7, and V1 = 1, 2, 3 to V6 = 6, 7, 8."""
    twice = 2 * gain if doubled is None else doubled
    return (
        lead("I", [4, -4, 3], gain),
        lead("II", [1, 2, -7], gain),
        lead("III", [-3, 6, -10], gain),
        lead("aVR", [-5, 2, 4], twice),
        lead("aVL", [7, -10, 13], twice),
        lead("aVF", [-2, 8, -17], twice),
        *(lead(f"V{i}", [i, i + 1, i + 2], gain) for i in range(1, 7)),
    )


def _stored(name: str) -> list[int]:
    if name in ("I", "II"):
        return [4, -4, 3] if name == "I" else [1, 2, -7]
    first = int(name[1:])
    return [first, first + 1, first + 2]


def dicom(groups: list[dict[str, Any]]) -> bytes:
    """Return a DICOM file of multiplex groups, each given as the arguments of `_group`."""
    dataset = Dataset()
    dataset.PatientName = "Somebody^Else"
    dataset.AcquisitionDateTime = "20260102030405.5"
    dataset.TimezoneOffsetFromUTC = "+0100"
    dataset.WaveformSequence = Sequence([_group(**group) for group in groups])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.9.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.3"
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _group(  # noqa: PLR0917 - the fields of a group
    channels: dict[str, list[int]],
    rate: float = 500,
    originality: str = "ORIGINAL",
    sensitivity: str | None = "2.5",
    baseline: str = "0",
    padding: int | None = None,
    correction: str = "1",
) -> Dataset:
    group = Dataset()
    group.WaveformOriginality = originality
    group.NumberOfWaveformChannels = len(channels)
    group.NumberOfWaveformSamples = len(next(iter(channels.values())))
    group.SamplingFrequency = str(rate)
    described = []
    for code in channels:
        source = Dataset()
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = code, "MDC", f"Lead {code}"
        channel = Dataset()
        channel.ChannelSourceSequence = Sequence([source])
        channel.WaveformBitsStored = 16
        if sensitivity is not None:
            unit = Dataset()
            unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
            channel.ChannelSensitivity = sensitivity
            channel.ChannelSensitivityUnitsSequence = Sequence([unit])
            channel.ChannelSensitivityCorrectionFactor = correction
            channel.ChannelBaseline = baseline
        described.append(channel)
    group.ChannelDefinitionSequence = Sequence(described)
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    rows = zip(*channels.values(), strict=True)
    group.add_new("WaveformData", "OW", b"".join(struct.pack(f"<{len(channels)}h", *row) for row in rows))
    if padding is not None:
        group.add_new("WaveformPaddingValue", "OW", struct.pack("<h", padding))
    return group


_DATE = "2026-01-02T03:04:05.500000+01:00"
_CODES = {"I": "2:1", "II": "2:2", "V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8"}


def _dicom(name: str, groups: list[dict[str, Any]], *leads: ExpectedLead, **expected: Any) -> Case:
    given = expected if "refusal" in expected else {"rate": 500, "date": _DATE, **expected}
    return Case(name, {"x.dcm": dicom(groups)}, leads, page=_only_here(".dcm"), **given)


_DICOM = [
    _dicom(
        "eight leads, from which four are derived",
        [{"channels": {_CODES[name]: _stored(name) for name in _EIGHT}}],
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
<value xsi:type="GLIST_TS"><head value="20260102030405"/><increment value="0.002" unit="s"/></value>
</sequence></component>
{leads}
</sequenceSet></component></series></component></AnnotatedECG>
"""
_AECG_LEAD = """<component><sequence><code code="MDC_ECG_LEAD_{name}" codeSystem="2.16.840.1.113883.6.24"/>
<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="2.5" unit="uV"/><digits>{digits}</digits></value>
</sequence></component>"""


def _aecg() -> bytes:
    leads = (_AECG_LEAD.format(name=name, digits=" ".join(map(str, _stored(name)))) for name in _EIGHT)
    return _AECG.format(leads="\n".join(leads)).encode()


def _muse() -> bytes:
    leads = "".join(
        f"<LeadData><LeadByteCountTotal>6</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
        f"<LeadSampleCountTotal>3</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
        f"<WaveFormData>{base64.b64encode(struct.pack('<3h', *_stored(name))).decode()}</WaveFormData></LeadData>"
        for name in _EIGHT
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><RestingECG><PatientDemographics><PatientLastName>Somebody'
        "</PatientLastName></PatientDemographics><TestDemographics><AcquisitionTime>03:04:05</AcquisitionTime>"
        "<AcquisitionDate>01-02-2026</AcquisitionDate></TestDemographics><Waveform><WaveformType>Rhythm</WaveformType>"
        "<SampleBase>500</SampleBase><SampleExponent>0</SampleExponent><NumberofLeads>8</NumberofLeads>"
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


def _clinical(name: str, file: str, content: bytes, *leads: ExpectedLead, **expected: Any) -> Case:
    return Case(name, {file: content}, leads, page=_only_here(file[1:]), **expected)


_KINDS = "SCP-ECG, HL7 aECG, GE MUSE XML, Philips Sierra XML or ISHNE"
_OTHERS = [
    _clinical("aECG", "x.xml", _aecg(), *_twelve(400), rate=500, date="2026-01-02T03:04:05", notes=(_DERIVED,)),
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
