"""The numbers of a table, column by column."""

import io
import re
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings import table_cells as cells
from ecg_client.recordings.recording import UnreadableRecording

_HALF_DAY, _DAY = 43_200_000_000_000, 86_400_000_000_000
_EXACT = 2.0**53
_LONE_COMMA = re.compile(r",(?![0-9])")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, shape (n,): int64 if all are integers, otherwise float64 with NaN for missing ones."""

    values: NDArray[Any]


@dataclass(frozen=True)
class Times:
    """A column of times: nanoseconds since the first, shape (n,), and the text of the first."""

    values: NDArray[np.float64]
    first: str


def columns_of(
    text: str, separator: str | None, decimal: str, skip: int, width: int | None = None
) -> list[Numbers | Times]:
    """Return the columns of a table.

    Args:
        separator: of cells, or None for one cell a line.
        decimal: the decimal mark, a point or a comma.
        skip: the number of lines before the numbers.
        width: the number of columns, if known: lines may then end with a separator.

    Raises:
        UnreadableRecording: if a cell is not a number; the message names line and column.
    """
    return _quickly(text, separator, decimal, skip) or _carefully(_Lines(text, separator, skip, width), decimal)


def _quickly(text: str, separator: str | None, decimal: str, skip: int) -> list[Numbers | Times] | None:
    """Return the columns as NumPy reads them, or None if it cannot, or not exactly."""
    if '"' in text or (decimal == "," and (separator == "," or "." in text or _LONE_COMMA.search(text))):
        return None
    pointed = text.replace(",", ".") if decimal == "," else text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (np.int64, np.float64):
            try:
                table = np.loadtxt(
                    io.StringIO(pointed, newline=None),
                    dtype,
                    delimiter=None if separator == cells.WHITESPACE else separator or "\t",
                    skiprows=skip,
                    ndmin=2,
                ).T
            except (ValueError, OverflowError, Warning):
                continue
            if dtype is np.float64 and np.any(np.abs(table) >= _EXACT):
                return None
            return [Numbers(column) for column in table]
    return None


def _carefully(lines: "_Lines", decimal: str) -> list[Numbers | Times]:
    _, first = next(iter(lines), (0, []))
    if not first:
        raise UnreadableRecording("has no samples")
    width = len(first)
    timed = [cells.is_time(cell) for cell in first]
    columns = [array("d") for _ in first]
    whole = [True] * width
    days: list[int | None] = [None] * width
    for number, row in lines:
        if len(row) != width:
            raise UnreadableRecording(f"line {number}: has {len(row)} columns, and those before have {width}")
        for k, cell in enumerate(row):
            if timed[k]:
                columns[k].append(_since(cell, days, k, columns[k], f"line {number}, column {k + 1}"))
                continue
            written = cells.with_point(cell) if decimal == "," and "." not in cell else cell
            if (decimal == "," and "." in cell) or not cells.is_pointed(written):
                raise UnreadableRecording(f"line {number}, column {k + 1}: {_wrong(cell, decimal)}")
            whole[k] = whole[k] and cells.INTEGER.fullmatch(cell) is not None
            columns[k].append(float(written))
    result: list[Numbers | Times] = []
    for k, column in enumerate(columns):
        values = np.frombuffer(column)
        if timed[k]:
            result.append(Times(values - values[0], first[k]))
        elif whole[k]:
            result.append(Numbers(_integers(lines, k, values)))
        else:
            result.append(Numbers(values))
    return result


@dataclass(frozen=True)
class _Lines:
    """The lines of numbers, each with its line number in the file and its cells."""

    text: str
    separator: str | None
    skip: int
    width: int | None

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(islice(cells.lines_of(self.text), self.skip, None), start=self.skip + 1):
            if cells.is_blank(line):
                continue
            row = cells.split(cells.without_comment(line), self.separator)
            yield number, row[:-1] if self.width == len(row) - 1 and not row[-1] else row


def _wrong(cell: str, decimal: str) -> str:
    if not cell:
        return "is empty: write nan where a sample is missing"
    if cells.is_number(cell) or ("," in cell and "." in cell):
        return f"must be a number with a decimal {'comma' if decimal == ',' else 'point'}, like those before"
    return "must be a number"


def _since(cell: str, days: list[int | None], k: int, before: "array[float]", where: str) -> float:
    """Return a time in nanoseconds since the midnight before the first time."""
    time = cells.nanoseconds(cell)
    if time is None:
        raise UnreadableRecording(f"{where}: must be a time, like those before")
    day = days[k]
    if day is None:
        days[k] = day = time[0]
    value = float((time[0] - day) * _DAY + time[1])
    # Times without a date start again at midnight.
    while time[0] == 0 and before and value < before[-1] - _HALF_DAY:
        value += _DAY
    return value


def _integers(lines: _Lines, k: int, values: NDArray[np.float64]) -> NDArray[np.int64] | NDArray[np.float64]:
    """Return exact integers, or floats if one has more than 64 bits."""
    if np.all(np.abs(values) < _EXACT):
        return values.astype(np.int64)
    exact = [int(row[k]) for _, row in lines]
    return np.array(exact, np.int64) if all(-(2**63) <= value < 2**63 for value in exact) else values
