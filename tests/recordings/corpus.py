"""The corpus: a small recording in each layout, with the expected ECG or refusal."""

from pathlib import Path

from tests.recordings import clinical_cases, csv_cases, edf_cases, wfdb_cases
from tests.recordings.case import Case

CORPUS: list[Case] = [
    *wfdb_cases.CASES,
    *wfdb_cases.flac_cases(),
    *edf_cases.CASES,
    *csv_cases.CASES,
    *clinical_cases.CASES,
]


def name_of(case: Case) -> str:
    """Return the name of a case's test."""
    return f"{Path(case.main.removesuffix('.gz')).suffix.lstrip('.')}: {case.name}"


def write(case: Case, directory: Path) -> Path:
    """Write a case's files, and return the path of the recording."""
    for name, content in case.files.items():
        (directory / name).write_bytes(content)
    return directory / case.main
