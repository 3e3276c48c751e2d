"""The format of a path, and its reader."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ecg_client.recordings.clinical_format import open_clinical
from ecg_client.recordings.content import is_directory, is_file, mode_of
from ecg_client.recordings.dicom_format import read_dicom
from ecg_client.recordings.edf_format import open_edf
from ecg_client.recordings.json_format import read_json
from ecg_client.recordings.numpy_format import read_numpy
from ecg_client.recordings.pieces import Source, source_of
from ecg_client.recordings.recording import Calibration, NoRecording, Recording, UnreadableRecording, checked
from ecg_client.recordings.stored import StoredRecording
from ecg_client.recordings.table_format import read_csv
from ecg_client.recordings.wfdb_format import open_wfdb, parts_of

# Readers catch the warnings of libraries, and Python's filters of warnings are shared by all threads.
_reading = threading.Lock()
_HEADER, _GZIP = ".hea", ".gz"


@dataclass(frozen=True)
class Format:
    """A recording that was found: its main file, and its reader, which may leave the samples in the file."""

    path: Path
    read: Callable[[Path, Calibration], Recording | StoredRecording]


_READERS: dict[str, Callable[[Path, Calibration], Recording | StoredRecording]] = {
    _HEADER: lambda path, calibration: open_wfdb(path, calibration.leads),
    ".edf": lambda path, calibration: open_edf(path, calibration.leads),
    ".bdf": lambda path, calibration: open_edf(path, calibration.leads),
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".npy": read_numpy,
    ".npz": read_numpy,
    ".json": read_json,
    ".dcm": lambda path, calibration: read_dicom(path, calibration.leads),
    ".xml": lambda path, calibration: open_clinical(path, calibration.leads),
    ".scp": lambda path, calibration: open_clinical(path, calibration.leads),
    ".ecg": lambda path, calibration: open_clinical(path, calibration.leads),
}


def find(path: Path) -> Format:
    """Return the recording at a path, which may be the stem or any file of a WFDB record.

    Raises:
        NoRecording: if its format is unknown.
        UnreadableRecording: if there is no recording.
    """
    if is_directory(path) and not _header_beside(path):
        raise UnreadableRecording("is a directory")
    suffix = _suffix(path)
    if is_file(path) and suffix in _READERS:
        return Format(path, _READERS[suffix])
    header = _header_beside(path)
    if header is not None:
        return Format(header, _READERS[_HEADER])
    if mode_of(path) is None:
        raise UnreadableRecording("there is no such file or WFDB record")
    if suffix == ".dat":
        raise UnreadableRecording("belongs to a WFDB record: its header (.hea) must be beside it")
    raise NoRecording(f"its format is unknown: it must be a WFDB record or end with {', '.join(_READERS)}")


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == _GZIP else path).suffix.lower()


def _header_beside(path: Path) -> Path | None:
    """Return the header of the WFDB record with this name, signal file or annotation file, or None."""
    stem = path.with_suffix("") if path.suffix.lower() == _GZIP else path
    names = [f"{path}{_HEADER}", f"{stem.with_suffix('')}{_HEADER}"] if path.name else []
    for name in names:
        for header in (Path(name), Path(f"{name}{_GZIP}")):
            if is_file(header):
                return header
    return None


def parts(found: Format) -> list[Path]:
    """Return the other recordings that are part of this one: the headers of a WFDB record's segments."""
    return parts_of(found.path) if _suffix(found.path) == _HEADER else []


def read(path: str | Path, calibration: Calibration | None = None) -> Recording:
    """Read a recording; the calibration supplies what its file does not state.

    Raises:
        UnreadableRecording: if it cannot be read, or is not an ECG that the pipeline accepts.
    """
    found, calibration = find(Path(path)), calibration or Calibration()
    with _reading:
        calibration.check()
        recording = found.read(found.path, calibration)
        if isinstance(recording, StoredRecording):
            recording = recording.whole()
    return replace(checked(calibration.complete(recording)), file_name=found.path.name)


def open_source(path: str | Path, calibration: Calibration | None = None) -> Source:
    """Open a recording to read it in pieces, which together are the recording that `read` returns.

    Of WFDB records, EDF, BDF and ISHNE files, only the samples of a piece are in memory; of EDF and BDF, all data
    records that hold a part of it. Files of gzip and FLAC are decoded in memory, and recordings of other formats are in
    memory as a whole.

    Raises:
        UnreadableRecording: as `read` does.
    """
    found, calibration = find(Path(path)), calibration or Calibration()
    with _reading:
        calibration.check()
        recording = found.read(found.path, calibration)
    return source_of(recording, calibration, found.path.name)


def read_or_open(path: Path, calibration: Calibration, most: int) -> Recording | Source:
    """Read a recording, or open it if its leads have more than `most` samples together and can be read in pieces.

    Raises:
        UnreadableRecording: as `read` does.
    """
    found = find(path)
    with _reading:
        calibration.check()
        recording = found.read(found.path, calibration)
        if isinstance(recording, StoredRecording) and sum(channel.size for channel in recording.channels) <= most:
            recording = recording.whole()
    if isinstance(recording, StoredRecording):
        return source_of(recording, calibration, found.path.name)
    return replace(checked(calibration.complete(recording)), file_name=found.path.name)
