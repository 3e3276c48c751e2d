"""ISHNE, a format of Holter recorders (Badilini F., Ann Noninvasive Electrocardiol 3, 1998, 263-266)."""

import binascii
import struct
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.channels import NO_SAMPLES, Channel, choose
from ecg_client.recordings.content import Blocks, open_blocks
from ecg_client.recordings.missing import Ranges, ranges_of
from ecg_client.recordings.recording import UnreadableRecording
from ecg_client.recordings.stored import StoredChannel, StoredRecording
from ecg_client.recordings.twelve_leads import in_order, with_derived
from ecg_client.recordings.units import adc_gain
from shared.ecg import Signal

WRONG_CHECKSUM = "its checksum is wrong, so it may be damaged"

_MAGIC = b"ISHNE1.0"
_CHECKED = 10  # the first byte that the checksum covers
_FIXED = 522
_BYTES = 2
_MOST_LEADS = 12
_ABSENT = -9
_FAULT = -32768
_NANOVOLTS = 1000.0  # per microvolt
_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_NAMES = dict(enumerate(("X", "Y", "Z", *_LEADS, "ES", "AS", "AI"), start=2))


def is_ishne(path: Path) -> bool:
    """Return True if a file begins as ISHNE files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def open_ishne(path: Path, wanted: Sequence[str] = ()) -> StoredRecording:
    """Open an ISHNE file; lead faults are missing samples.

    Raises:
        UnreadableRecording: if the file cannot be read.
    """
    content = open_blocks(path)
    header = content.read(0, _FIXED)
    if len(header) < _FIXED:
        raise UnreadableRecording(f"its header is cut short: it has {len(header)} of {_FIXED} bytes")
    notes: list[str] = []
    begin = _begin(content, header, notes)
    count, rate = _short(header, 156), _short(header, 272)
    if not 1 <= count <= _MOST_LEADS:
        raise UnreadableRecording(f"byte 156: the number of leads must be 1 to {_MOST_LEADS}")
    if rate <= 0:
        raise UnreadableRecording("byte 272: the sampling rate must be above 0")
    stored, rest = divmod(content.size - begin, _BYTES * count)
    if not stored:
        raise UnreadableRecording("has no samples")
    if rest:
        notes.append("is cut short: its last, incomplete samples are left out")
    leads = [_lead(header, i, name, float(rate), notes) for i, name in enumerate(_names(header, count, notes))]
    [announced] = struct.unpack_from("<i", header, 14)
    if announced and announced not in (stored, stored * count):
        notes.append(f"its header announces {announced} samples of a lead, and it has {stored}")
    channels = in_order(with_derived(leads, notes))

    # The leads are read one after the other, and all of them are in each frame.
    @lru_cache(maxsize=1)
    def read(first: int, samples: int) -> list[Channel]:
        block = content.read(begin + first * _BYTES * count, samples * _BYTES * count)
        frames = np.frombuffer(block, "<i2").reshape(samples, count)
        return in_order(with_derived([_with(lead, frames[:, i]) for i, lead in enumerate(leads)], []))

    def read_channel(position: int, first: int, samples: int) -> tuple[Signal, Ranges]:
        channel = read(first, samples)[position]
        return channel.samples, channel.missing

    chosen = choose([c.name for c in channels], [c.unit for c in channels], wanted, notes)
    return StoredRecording(
        [
            StoredChannel(c.name, stored, partial(read_channel, i), c.gain, c.unit, c.rate)
            for i, c in ((i, channels[i]) for i in chosen)
        ],
        _date(header),
        notes,
    )


def _begin(content: Blocks, header: bytes, notes: list[str]) -> int:
    """Return the position of the first sample, which comes after the block of variable length."""
    variable, _, variable_at, samples_at = struct.unpack_from("<4i", header, 10)
    begin = _FIXED + int(variable)
    if variable < 0 or begin > content.size:
        raise UnreadableRecording(f"byte 10: a block of {variable} bytes does not fit into the file")
    if (variable_at, samples_at) != (_FIXED, begin):
        notes.append(f"its header contradicts itself about where its samples begin: they are read from byte {begin}")
    [checksum] = struct.unpack_from("<H", header, 8)
    computed = binascii.crc_hqx(content.read(_CHECKED, begin - _CHECKED), 0xFFFF)
    # 0 is none, and the standard does not say which of its bytes comes first.
    if checksum not in (0, computed, computed >> 8 | (computed & 0xFF) << 8):
        notes.append(WRONG_CHECKSUM)
    return begin


def _names(header: bytes, count: int, notes: list[str]) -> list[str]:
    """Return a name for each lead, with a number if another lead before it has the same."""
    names: list[str] = []
    for i in range(count):
        code = _short(header, 158 + 2 * i)
        name = _NAMES.get(code, f"Lead {i + 1}")
        same = sum(other.partition("_")[0] == name for other in names)
        names.append(f"{name}_{same + 1}" if same else name)
        if code == _ABSENT:
            notes.append(f"{names[-1]}: its header says that there is no such lead")
    return names


def _lead(header: bytes, position: int, name: str, rate: float, notes: list[str]) -> Channel:
    """Return a lead without its samples."""
    nanovolts = _short(header, 206 + 2 * position)
    if nanovolts <= 0:
        notes.append(f"{name}: is not calibrated, so its gain is left out")
        return Channel(name, NO_SAMPLES, rate=rate)
    return Channel(name, NO_SAMPLES, adc_gain(1 / (nanovolts / _NANOVOLTS), "uV"), "uV", rate)


def _with(lead: Channel, stored: NDArray[Any]) -> Channel:
    missing = stored == _FAULT
    samples = np.where(missing, 0, stored.astype(np.int32))
    return Channel(lead.name, samples, lead.gain, lead.unit, lead.rate, ranges_of(missing))


def _date(header: bytes) -> str | None:
    day, month, year = struct.unpack_from("<3h", header, 138)
    try:
        return datetime(year, month, day, *struct.unpack_from("<3h", header, 150)).isoformat()
    except ValueError:
        return None


def _short(header: bytes, at: int) -> int:
    return int(struct.unpack_from("<h", header, at)[0])
