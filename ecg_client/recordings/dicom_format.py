"""DICOM waveforms: 12-lead, general and ambulatory ECGs (DICOM PS3.3, C.10.9)."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecg_client.recordings.bare_numbers import Column
from ecg_client.recordings.calibrated import channel_of
from ecg_client.recordings.channels import Channel, choose, delayed, recording_of
from ecg_client.recordings.recording import NoRecording, Recording, UnreadableRecording
from ecg_client.recordings.twelve_leads import in_order, with_derived

# Lead codes (DICOM PS3.16, CID 3001) end with SCP-ECG's number of the lead.
_LEADS = {
    **{1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7"},
    **{10: "V2R", 11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 16: "X", 17: "Y", 18: "Z"},
    **{61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R"},
}
_CODE = re.compile(r"(?:5\.6\.3-9-|2:)([0-9]{1,3})")
_MEANING = re.compile(r"(?:lead\s+)?([A-Za-z0-9-]+)(?:\s+\(.*\))?", re.IGNORECASE | re.ASCII)
_DTYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
_REQUIRED = (
    *("NumberOfWaveformChannels", "NumberOfWaveformSamples", "SamplingFrequency", "WaveformSampleInterpretation"),
    *("ChannelDefinitionSequence", "WaveformData"),
)
_MOST_BYTES = 1 << 30


def read_dicom(path: Path, wanted: Sequence[str] = ()) -> Recording:
    """Read the original waveforms of a DICOM file; median beats and groups of another length are left out.

    Raises:
        UnreadableRecording: if `pydicom` is not installed, or the file has no waveforms or is broken.
    """
    try:
        import pydicom  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableRecording("reading DICOM files needs the package pydicom: pip install pydicom") from None
    notes: list[str] = []
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableRecording(f"must not be over {_MOST_BYTES >> 20} MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            channels = _channels(dataset, notes)
            date = _date(dataset, notes)
    except OSError as error:
        raise UnreadableRecording(error.strerror or "cannot be read") from None
    except UnreadableRecording:
        raise
    except Exception as error:  # a broken file raises anything; the error's text may hold a patient's name
        raise UnreadableRecording(f"not a DICOM file with waveforms, or broken: {type(error).__name__}") from None
    channels = in_order(with_derived(channels, notes))
    chosen = choose([c.name for c in channels], [c.unit for c in channels], wanted, notes)
    return recording_of([channels[i] for i in chosen], date, notes)


def _channels(dataset: Any, notes: list[str]) -> list[Channel]:
    """Return the channels of the first original multiplex group, and of groups with other leads of the same time."""
    channels: list[Channel] = []
    # The samples by which each channel begins after the first group.
    after: list[int] = []
    left_out = []
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    began, size = 0.0, 0
    for i, group in enumerate(dataset.get("WaveformSequence") or ()):
        original = str(group.get("WaveformOriginality", "ORIGINAL")).upper() == "ORIGINAL"
        found = _group(i + 1, group, "<" if little else ">", notes) if original else []
        # In milliseconds after the acquisition began.
        offset = float(group.get("MultiplexGroupTimeOffset") or 0)
        began = began if channels else offset
        late = [round((offset - began) / 1000 * (c.rate or 0)) for c in found]
        beside = not channels or (
            {c.rate for c in found} == {c.rate for c in channels}
            and {c.samples.size for c in found} == {size}
            and not {c.name for c in found} & {c.name for c in channels}
        )
        if found and beside:
            size = found[0].samples.size
            channels += found
            after += late
        else:
            left_out.append(f"{i + 1} ({group.NumberOfWaveformSamples} samples)")
    if not channels:
        # Images are DICOM files too.
        kind = UnreadableRecording if dataset.get("WaveformSequence") else NoRecording
        raise kind("holds no original waveforms")
    if left_out:
        notes.append(f"left out, because they are not part of the rhythm: its multiplex groups {', '.join(left_out)}")
    # The groups need not be in the order of their times.
    return [delayed(channel, samples - min(after)) for channel, samples in zip(channels, after, strict=True)]


def _group(number: int, group: Any, order: str, notes: list[str]) -> list[Channel]:
    where = f"multiplex group {number}"
    absent = [keyword for keyword in _REQUIRED if group.get(keyword) in (None, "")]
    if absent:
        raise UnreadableRecording(f"{where}: has no {', '.join(absent)}")
    count, length = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    if str(group.WaveformSampleInterpretation) not in _DTYPES:
        raise UnreadableRecording(f"{where}: its WaveformSampleInterpretation must be {', '.join(_DTYPES)}")
    if len(group.ChannelDefinitionSequence) != count:
        raise UnreadableRecording(f"{where}: describes {len(group.ChannelDefinitionSequence)} of {count} channels")
    dtype = np.dtype(f"{order}{_DTYPES[str(group.WaveformSampleInterpretation)]}")
    stored = np.frombuffer(group.WaveformData, dtype)
    if stored.size < count * length:
        raise UnreadableRecording(f"is cut short: it has {stored.size} of {count * length} samples")
    samples = stored[: count * length].reshape(length, count)
    padding = group.get("WaveformPaddingValue")
    marker = None if padding is None else np.frombuffer(padding, dtype, 1)[0] if isinstance(padding, bytes) else padding
    rate = float(group.SamplingFrequency)
    channels = []
    skews = {
        tuple(float(c.get(keyword) or 0) for keyword in ("ChannelTimeSkew", "ChannelSampleSkew"))
        for c in group.ChannelDefinitionSequence
    }
    if len(skews) > 1:
        notes.append("its channels were sampled one after the other (skew), which is left out")
    for i, described in enumerate(group.ChannelDefinitionSequence):
        values = samples[:, i]
        missing = values == marker if marker is not None else np.zeros(length, bool)
        name = _name(described, i + 1)
        units = described.get("ChannelSensitivityUnitsSequence")
        unit = str(units[0].CodeValue) if units else ""
        sensitivity = described.get("ChannelSensitivity")
        if sensitivity is None or not units:
            notes.append(f"{name}: is not calibrated, so its gain is left out")
            channel = channel_of(Column(name, values), 1.0, 0.0, missing, notes)
        else:
            correction = described.get("ChannelSensitivityCorrectionFactor")
            factor = float(sensitivity) * (1.0 if correction in (None, "") else float(correction))
            offset = float(described.get("ChannelBaseline") or 0)
            channel = channel_of(Column(name, values, unit), factor, offset, missing, notes)
        channels.append(replace(channel, rate=rate))
    return channels


def _name(described: Any, number: int) -> str:
    """Return the lead's name from its code, else from the code's meaning, else from its label."""
    source = described.ChannelSourceSequence[0] if described.get("ChannelSourceSequence") else None
    if source is not None:
        code = _CODE.fullmatch(str(source.get("CodeValue", "")))
        if code and int(code[1]) in _LEADS:
            return _LEADS[int(code[1])]
        meaning = str(source.get("CodeMeaning", "")).strip()
        found = _MEANING.fullmatch(meaning)
        if meaning:
            return found[1] if found else meaning
    return str(described.get("ChannelLabel") or "").strip() or f"lead {number}"


def _date(dataset: Any, notes: list[str]) -> str | None:
    text = str(dataset.get("AcquisitionDateTime") or "") or (
        f"{dataset.get('AcquisitionDate', '')}{dataset.get('AcquisitionTime', '')}"
    )
    if not text.strip():
        return None
    # Seconds are optional.
    found = re.fullmatch(r"([0-9]{12})([0-9]{2})?(?:\.([0-9]{1,6}))?([+-][0-9]{4})?", text.strip())
    try:
        if found is None:
            raise ValueError
        zone = found[4] or str(dataset.get("TimezoneOffsetFromUTC") or "").strip()
        moment = datetime.strptime(
            f"{found[1]}{found[2] or '00'}{(found[3] or '').ljust(6, '0')}{zone}",
            f"%Y%m%d%H%M%S%f{'%z' if zone else ''}",
        )
    except ValueError:
        notes.append("its date is invalid or incomplete, so it is left out")
        return None
    return moment.isoformat()
