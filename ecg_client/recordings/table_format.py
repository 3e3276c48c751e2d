"""CSV: a column of integers for each lead, under their names."""

import csv
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings.recording import Calibration, Notes, Recording, UnreadableRecording
from shared.ecg import Lead

_AXIS = re.compile(r"(?:elapsed )?time\b.*|t|s|ms|seconds?|samples?|sample[ _]?(?:number|index|#)|index", re.IGNORECASE)


def read_csv(path: Path, calibration: Calibration) -> Recording:
    """Read a CSV file, whose first line may name the leads; a column of times or sample numbers is left out.

    A value `nan` is missing, and becomes 0.

    Raises:
        UnreadableRecording: if it has no rows, or a value is no number; the message names line and column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = next(csv.reader(file), [])
        names = [cell.strip() for cell in first] if any(not _is_number(cell) for cell in first) else []
        columns = _columns(path, skip=1 if names else 0)
    except OSError as error:
        raise UnreadableRecording(error.strerror or str(error)) from None
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableRecording("no CSV file of UTF-8 text") from None
    if names and len(names) != len(columns):
        raise UnreadableRecording(f"line 1 names {len(names)} columns, and there are {len(columns)}")
    names = names or [f"lead {number}" for number in range(1, len(columns) + 1)]
    notes = Notes()
    leads = []
    for i, (name, values) in enumerate(zip(names, columns, strict=True)):
        if i == 0 and len(names) > 1 and _AXIS.fullmatch(name):
            notes.lines.append(f"left out, as it is no lead: {name}")
            continue
        leads.append(Lead(name, calibration.apply(values, name, notes)))
    return Recording(tuple(leads), None, tuple(notes.lines))


def _columns(path: Path, skip: int) -> NDArray[Any]:
    """Return the columns, shape (leads, samples): integers where all are, exact over 64 bits, or else floats."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return _load(path, skip, np.int64)
        except (ValueError, OverflowError, Warning):
            pass
        try:
            return _load(path, skip, np.float64)
        except UnicodeDecodeError:
            raise
        except UserWarning:  # no data
            raise UnreadableRecording("has no samples") from None
        except ValueError as error:
            raise UnreadableRecording(_where(str(error), skip)) from None


def _load(path: Path, skip: int, dtype: type[np.generic]) -> NDArray[Any]:
    return np.loadtxt(path, dtype, delimiter=",", quotechar='"', skiprows=skip, ndmin=2, encoding="utf-8-sig").T


def _where(problem: str, skip: int) -> str:
    """Return where a table is broken, without the value that breaks it."""
    # NumPy counts the rows of values from 0 where it cannot convert one, and from 1 where columns are missing.
    if found := re.search(r"at row (\d+), column (\d+)", problem):
        return f"line {int(found[1]) + 1 + skip}, column {found[2]}: must be a number"
    if found := re.search(r"changed from (\d+) to (\d+) at row (\d+)", problem):
        return f"line {int(found[3]) + skip}: has {found[2]} columns, and those before have {found[1]}"
    return "no table of numbers"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
