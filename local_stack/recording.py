"""Recordings in WFDB format, PhysioNet's."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class UnreadableRecord(Exception):  # noqa: N818 - it is what the record is
    """The record cannot be read; the message says why."""


@dataclass(frozen=True)
class Recording:
    """A recording's leads about their baselines, in ADC units, and what a reader should know of them."""

    leads: list[tuple[str, NDArray[np.int64]]]
    date: str | None
    notes: list[str] = field(default_factory=list)


def read_record(path: Path) -> Recording:
    """Read a WFDB record, named by its path with or without `.hea`, and subtract each channel's baseline.

    Channels whose file is missing are left out. Samples that the recording marks as missing become 0, the
    baseline: they cross nothing.

    Raises:
        UnreadableRecord: if `wfdb` is not installed, or the record cannot be read.
    """
    try:
        import wfdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableRecord("Reading records needs the package wfdb: pip install wfdb") from None
    name = str(path.with_suffix("") if path.suffix == ".hea" else path)
    try:
        header = wfdb.rdheader(name)
        present = [i for i, file in enumerate(header.file_name) if (path.parent / file).exists()]
        if not present:
            raise UnreadableRecord(f"{name}: none of its signal files is there")
        record = wfdb.rdrecord(name, physical=False, channels=present)
    except (OSError, ValueError) as error:
        raise UnreadableRecord(f"{name}: {error}") from None
    notes = []
    absent = [header.sig_name[i] for i in range(header.n_sig) if i not in present]
    if absent:
        notes.append(f"left out, as their file is missing: {', '.join(absent)}")
    leads = []
    for i, lead in enumerate(record.sig_name):
        raw = record.d_signal[:, i].astype(np.int64)
        baseline = record.baseline[i] if record.baseline[i] is not None else record.adc_zero[i]
        missing = raw == -(1 << (_bits(record.fmt[i]) - 1))
        if missing.any():
            notes.append(f"{lead}: {int(missing.sum())} missing samples became 0")
        leads.append((lead, np.where(missing, 0, raw - baseline)))
    date = header.base_datetime.isoformat() if header.base_datetime else None
    return Recording(leads, date, notes)


def _bits(storage_format: str) -> int:
    """Return the sample width of a WFDB storage format, whose least value marks a missing sample."""
    return {"212": 12, "310": 10, "311": 10, "8": 8, "80": 8, "24": 24, "32": 32}.get(storage_format, 16)
