"""Which format a path is of."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecg_client.recordings.edf_format import read_edf
from ecg_client.recordings.json_format import read_json
from ecg_client.recordings.numpy_format import read_numpy
from ecg_client.recordings.recording import Calibration, Recording, UnreadableRecording, checked
from ecg_client.recordings.table_format import read_csv
from ecg_client.recordings.wfdb_format import read_wfdb

# Readers catch the warnings of libraries, and Python sets warnings up for all threads at once.
_reading = threading.Lock()


@dataclass(frozen=True)
class Format:
    """A recording that was found: its main file, and what reads it."""

    path: Path
    read: Callable[[Path, Calibration], Recording]


_READERS: dict[str, Callable[[Path, Calibration], Recording]] = {
    ".hea": lambda path, _: read_wfdb(path),
    ".edf": lambda path, _: read_edf(path),
    ".bdf": lambda path, _: read_edf(path),
    ".csv": read_csv,
    ".npy": read_numpy,
    ".npz": read_numpy,
    ".json": lambda path, _: read_json(path),
}


def find(path: Path) -> Format:
    """Return the recording that a path names: its file, or a WFDB record, or any file of one with the same stem.

    Raises:
        UnreadableRecording: if there is none, or its format is unknown.
    """
    header = path.with_suffix(".hea") if path.suffix.lower() == ".dat" else Path(f"{path}.hea")
    if header.is_file():
        return Format(header, _READERS[".hea"])
    if path.is_dir():
        raise UnreadableRecording("is a directory")
    if not path.exists():
        raise UnreadableRecording("there is no such file or WFDB record")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableRecording(f"its format is unknown: it must be a WFDB record or end with {', '.join(_READERS)}")
    return Format(path, reader)


def read(path: str | Path, calibration: Calibration | None = None) -> Recording:
    """Read a recording; the calibration says what its file does not.

    Raises:
        UnreadableRecording: if it cannot be read, or is no ECG that the pipeline takes.
    """
    found = find(Path(path))
    with _reading:
        calibration = calibration or Calibration()
        return checked(calibration.complete(found.read(found.path, calibration)))
