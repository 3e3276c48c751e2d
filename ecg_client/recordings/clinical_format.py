"""Formats of electrocardiographs, read by ecgdatakit: SCP-ECG, HL7 aECG, GE MUSE, Philips Sierra, ISHNE."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg_client.recordings.bare_numbers import Column
from ecg_client.recordings.calibrated import channel_of
from ecg_client.recordings.channels import Channel, choose, recording_of
from ecg_client.recordings.recording import Recording, UnreadableRecording
from ecg_client.recordings.twelve_leads import in_order, with_derived

if TYPE_CHECKING:
    from ecgdatakit import ECGRecord, Lead

_FORMATS = frozenset({"scp_ecg", "hl7_aecg", "ge_muse_xml", "sierra_xml", "ishne_holter"})
_KINDS = "SCP-ECG, HL7 aECG, GE MUSE XML, Philips Sierra XML or ISHNE"
_UNKNOWN = f"its format is unknown: it is not a file of {_KINDS}"
_MOST_BYTES = 1 << 28


def read_clinical(path: Path, wanted: Sequence[str] = ()) -> Recording:
    """Read the rhythm of an electrocardiograph's file; median beats and measurements are left out.

    Raises:
        UnreadableRecording: if `ecgdatakit` is not installed, or the file is broken or of another format.
    """
    record, doubts = _parsed(path)
    if record.source_format not in _FORMATS:
        raise UnreadableRecording(_UNKNOWN)
    notes = ["its checksum is wrong, so it may be damaged"] if "ChecksumWarning" in doubts else []
    if set(doubts) - {"ChecksumWarning"}:
        notes.append("the library that reads its format warns about its structure")
    channels = [replace(_channel(lead, notes), rate=_rate(lead)) for lead in record.leads]
    if not channels:
        raise UnreadableRecording("holds no leads")
    if record.median_beats:
        notes.append("left out, because they are not part of the rhythm: its median beats")
    channels = in_order(with_derived(channels, notes))
    chosen = choose([c.name for c in channels], [c.unit for c in channels], wanted, notes)
    date = record.recording.date
    return recording_of([channels[i] for i in chosen], None if date is None else date.isoformat(), notes)


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
        raise UnreadableRecording(_UNKNOWN) from None
    except Exception as error:  # a broken file raises anything; the error's text may hold a patient's name
        raise UnreadableRecording(f"not a file of {_KINDS}, or broken: {type(error).__name__}") from None
    if any("rounded to" in str(warning.message) for warning in caught):
        raise UnreadableRecording("its sampling rate is not a whole number, and the package ecgdatakit would round it")
    # `auto_scale=False` is deliberate: its warning is not worth a note.
    return record, [w.category.__name__ for w in caught if "auto_scale=False" not in str(w.message)]


def _channel(lead: "Lead", notes: list[str]) -> Channel:
    values = np.asarray(lead.samples, np.float64)
    missing = ~np.isfinite(values)
    unit = lead.resolution_unit or lead.units
    known = lead.is_raw and bool(lead.resolution) and bool(unit)
    factor, offset = (lead.resolution, lead.offset) if known else (1.0, 0.0)
    return channel_of(Column(lead.label or "lead", values, unit), factor, offset, missing, notes)


def _rate(lead: "Lead") -> float | None:
    return float(lead.sampling_rate) if lead.sampling_rate else None
