"""Formats of electrocardiographs: SCP-ECG, HL7 aECG, GE MUSE and Philips Sierra, read by ecgdatakit, and ISHNE."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg_client.recordings.bare_numbers import Column
from ecg_client.recordings.calibrated import channel_of
from ecg_client.recordings.channels import Channel, choose, delayed, recording_of
from ecg_client.recordings.ishne_format import WRONG_CHECKSUM, is_ishne, open_ishne
from ecg_client.recordings.recording import NoRecording, Recording, UnreadableRecording
from ecg_client.recordings.stored import StoredRecording
from ecg_client.recordings.twelve_leads import in_order, with_derived

if TYPE_CHECKING:
    from ecgdatakit import ECGRecord, Lead

_FORMATS = frozenset({"scp_ecg", "hl7_aecg", "ge_muse_xml", "sierra_xml"})
_KINDS = "SCP-ECG, HL7 aECG, GE MUSE XML, Philips Sierra XML or ISHNE"
_UNKNOWN = f"its format is unknown: it is not a file of {_KINDS}"
_MOST_BYTES = 1 << 28
_MUSE_RATE = re.compile(
    rb"<WaveformType>\s*Rhythm\s*</WaveformType>.*?<SampleBase>\s*([0-9]+\.?[0-9]*)\s*</SampleBase>"
    rb"(?:\s*<SampleExponent>\s*([+-]?[0-9]{1,2})\s*</SampleExponent>)?",
    re.DOTALL | re.IGNORECASE,
)
_MICROSECONDS, _HALF, _ROUNDED = 1_000_000, 0.5, 1e-3
# The library's warnings, and what they mean; its own words may hold text of the file.
_NOTES = {
    # `auto_scale=False` is deliberate, and the others are told by lead or lead to the right rate.
    r"auto_scale=False|rounded to|left in raw counts|left unscaled|raw ADC counts": "",
    r"(?i)crc|checksum": WRONG_CHECKSUM,
    r"rhythm series found|sequence sets in the rhythm|Additional rhythm waveform": (
        "has several recordings, of which the first is read"
    ),
    r"Unrecognised sequences ignored in the rhythm": "left out, because their codes are unknown: some of its sequences",
    r"Section 12": "left out: its long-term rhythm",
    r"was not applied": "its leads state an offset of unknown meaning, which is left out",
}
_DOUBT = "the library that reads its format warns about its structure"


def open_clinical(path: Path, wanted: Sequence[str] = ()) -> Recording | StoredRecording:
    """Read the rhythm of an electrocardiograph's file; median beats and measurements are left out.

    The samples of an ISHNE file stay in the file.

    Raises:
        UnreadableRecording: if `ecgdatakit` is needed and not installed, or the file is broken or of another format.
    """
    if is_ishne(path):
        return open_ishne(path, wanted)
    record, doubts = _parsed(path)
    if record.source_format not in _FORMATS:
        raise UnreadableRecording(_UNKNOWN)
    notes = list(dict.fromkeys(note for doubt in doubts if (note := _note(doubt))))
    exact = _exact_rate(record, path)
    # SCP-ECG numbers the samples from 1; leads that were not recorded at the same time begin at different ones.
    starts = [int(lead.annotations.get("start_sample", 1)) for lead in record.leads]
    channels = [
        delayed(replace(_channel(lead, notes), rate=exact or _rate(lead)), start - min(starts))
        for lead, start in zip(record.leads, starts, strict=True)
    ]
    if not channels:
        raise UnreadableRecording("holds no leads")
    if len({lead.annotations.get("LeadTimeOffset") for lead in record.leads}) > 1:
        notes.append("its leads do not begin at the same time (LeadTimeOffset), which is left out")
    if record.median_beats:
        notes.append("left out, because they are not part of the rhythm: its median beats")
    channels = in_order(with_derived(channels, notes))
    chosen = choose([c.name for c in channels], [c.unit for c in channels], wanted, notes)
    date = record.recording.date
    return recording_of([channels[i] for i in chosen], None if date is None else date.isoformat(), notes)


def _note(doubt: str) -> str:
    return next((note for pattern, note in _NOTES.items() if re.search(pattern, doubt)), _DOUBT)


def _parsed(path: Path) -> "tuple[ECGRecord, list[str]]":
    try:
        from ecgdatakit import FileParser  # noqa: PLC0415 - an extra
        from ecgdatakit.exceptions import UnsupportedFormatError  # noqa: PLC0415
    except ImportError:
        raise UnreadableRecording(
            f"reading {_KINDS} files needs the package ecgdatakit: pip install ecgdatakit"
        ) from None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableRecording(f"must not be over {_MOST_BYTES >> 20} MiB")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            record = FileParser.parse(path, auto_scale=False)
    except OSError as error:
        raise UnreadableRecording(error.strerror or "cannot be read") from None
    except UnreadableRecording:
        raise
    except UnsupportedFormatError:
        # XML may be anything; the other names are those of electrocardiographs.
        raise (NoRecording if path.suffix.lower() == ".xml" else UnreadableRecording)(_UNKNOWN) from None
    except Exception as error:  # a broken file raises anything; the error's text may hold a patient's name
        raise UnreadableRecording(f"not a file of {_KINDS}, or broken: {type(error).__name__}") from None
    return record, [str(warning.message) for warning in caught]


def _channel(lead: "Lead", notes: list[str]) -> Channel:
    values = np.asarray(lead.samples, np.float64)
    missing = ~np.isfinite(values)
    unit, name = lead.resolution_unit or lead.units, lead.label or "lead"
    # The library takes a scale that is missing, or that it cannot read, for 1.
    if not unit or not lead.adc_resolution:
        notes.append(f"{name}: is not calibrated, so its gain is left out")
        return channel_of(Column(name, values), 1.0, 0.0, missing, notes)
    return channel_of(Column(name, values, unit), lead.resolution, lead.offset, missing, notes)


def _rate(lead: "Lead") -> float | None:
    return float(lead.sampling_rate) if lead.sampling_rate else None


def _exact_rate(record: "ECGRecord", path: Path) -> float | None:
    """Return a sampling rate that the library rounds to a whole number, or None if the whole number is right."""
    interval = record.raw_metadata.get("rhythm_sample_interval_us")
    if interval:
        # SCP-ECG states whole microseconds, so 360 Hz is written as 2778.
        whole = round(_MICROSECONDS / interval)
        return None if whole and abs(_MICROSECONDS / whole - interval) <= _HALF else _MICROSECONDS / interval
    if record.source_format == "hl7_aecg":
        rate = float(record.raw_metadata["rhythm_time"]["sampling_rate_exact"])
        return None if abs(rate - round(rate)) <= _ROUNDED else rate
    if record.source_format == "ge_muse_xml":
        found = _MUSE_RATE.search(path.read_bytes())
        rate = float(f"{found[1].decode()}e{(found[2] or b'0').decode()}") if found else 0.0
        return rate if rate > 0 and rate != round(rate) else None
    return None
