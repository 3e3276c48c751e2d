"""WFDB, PhysioNet's format: a header and its signal files."""

from pathlib import Path

import numpy as np

from ecg_client.recordings.recording import Notes, Recording, UnreadableRecording, adc_gain
from shared.ecg import Lead


def read_wfdb(header: Path) -> Recording:
    """Read the record of a header and subtract each channel's baseline.

    Channels whose file is missing are left out. Samples that the recording marks as missing become 0, the
    baseline: they cross nothing.

    Raises:
        UnreadableRecording: if `wfdb` is not installed, or the record cannot be read.
    """
    try:
        import wfdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableRecording("reading WFDB records needs the package wfdb: pip install wfdb") from None
    name = str(header.with_suffix(""))
    try:
        described = wfdb.rdheader(name)
        files = described.file_name or []
        present = [i for i, file in enumerate(files) if (header.parent / file).exists()]
        if not present:
            raise UnreadableRecording("none of its signal files is there")
        record = wfdb.rdrecord(name, physical=False, channels=present)
    except FileNotFoundError as error:
        raise UnreadableRecording(f"there is no {Path(error.filename).name}") from None
    except UnreadableRecording:
        raise
    except Exception as error:  # whatever a broken header makes the reader raise
        raise UnreadableRecording(f"no WFDB record: {error}") from None
    notes = Notes()
    if absent := [described.sig_name[i] for i in range(described.n_sig) if i not in present]:
        notes.lines.append(f"left out, as their file is missing: {', '.join(absent)}")
    leads = []
    for i, lead in enumerate(record.sig_name):
        raw = record.d_signal[:, i].astype(np.int64)
        baseline = record.baseline[i] if record.baseline[i] is not None else record.adc_zero[i]
        missing = raw == -(1 << (_bits(record.fmt[i]) - 1))
        gain = adc_gain(record.adc_gain[i] or 0, record.units[i] or "mV")
        leads.append(Lead(lead, notes.without_missing(raw - baseline, missing, lead), gain))
    date = described.base_datetime.isoformat() if described.base_datetime else None
    return Recording(tuple(leads), date, tuple(notes.lines), float(record.fs) if record.fs else None)


def _bits(storage_format: str) -> int:
    """Return the sample width of a WFDB storage format, whose least value marks a missing sample."""
    return {"212": 12, "310": 10, "311": 10, "8": 8, "80": 8, "24": 24, "32": 32}.get(storage_format, 16)
