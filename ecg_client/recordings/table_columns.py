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
_EXACT, _LARGEST = 2.0**53, 2.0**63
# Words of programs for a missing value. They are not read, because some of them have other meanings too.
_ABSENT = frozenset({"na", "n/a", "null", "none", "-", "--", "?", "missing"})
# NumPy passes over these around numbers.
_OTHER_SPACE = re.compile("[\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_LONE_COMMA = re.compile(r",(?![0-9])")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, shape (n,): int64 if all are integers, otherwise float64 with NaN for missing ones.

    Integers beyond 2^53 among missing ones are int64 too: then `missing`, shape (n,), is True at these, which are 0.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_] | None = None

    @property
    def with_nan(self) -> NDArray[Any]:
        """The numbers with NaN for missing ones; then integers beyond 2^53 are rounded."""
        return self.values if self.missing is None else np.where(self.missing, np.nan, self.values)


@dataclass(frozen=True)
class Times:
    """A column of times: nanoseconds since the first, shape (n,), the text of the first, and the smallest step in which
    they are written, in nanoseconds.
    """

    values: NDArray[np.float64]
    first: str
    resolution: float


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
    if (
        '"' in text
        or _OTHER_SPACE.search(text)
        or (decimal == "," and (separator == "," or "." in text or _LONE_COMMA.search(text)))
    ):
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
    # Some programs write no decimals of whole seconds, so all times are looked at.
    decimals = [0] * width
    for number, row in lines:
        if len(row) != width:
            raise UnreadableRecording(f"line {number}: has {len(row)} columns, and those before have {width}")
        for k, cell in enumerate(row):
            if timed[k]:
                value, written_decimals = _since(cell, days, k, columns[k], f"line {number}, column {k + 1}")
                columns[k].append(value)
                decimals[k] = max(decimals[k], written_decimals)
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
            result.append(Times(values - values[0], first[k], 10.0 ** (9 - decimals[k])))
        else:
            result.append(_numbers(lines, k, values, decimal, whole=whole[k]))
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
    if cell.lower() in _ABSENT:
        return "must be a number: write nan where a sample is missing"
    if cells.is_number(cell) or ("," in cell and "." in cell):
        return f"must be a number with a decimal {'comma' if decimal == ',' else 'point'}, like those before"
    return "must be a number"


def _since(cell: str, days: list[int | None], k: int, before: "array[float]", where: str) -> tuple[float, int]:
    """Return a time in nanoseconds since the midnight before the first time, and the number of its decimals."""
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
    return value, time[2]


def _numbers(lines: _Lines, k: int, values: NDArray[np.float64], decimal: str, *, whole: bool) -> Numbers:
    """Return a column of numbers, with exact integers where doubles are not exact."""
    missing = np.isnan(values)
    largest = np.max(np.abs(values[~missing]), initial=0.0)
    if largest < _EXACT:
        return Numbers(values.astype(np.int64) if whole else values)
    if largest > _LARGEST or np.any(values[~missing] != np.rint(values[~missing])):
        return Numbers(values)
    written = (cells.with_point(row[k]) if decimal == "," else row[k] for _, row in lines)
    exact = [0 if absent else cells.whole_number(cell) for cell, absent in zip(written, missing.tolist(), strict=True)]
    integers = [value for value in exact if value is not None and -(2**63) <= value < 2**63]
    if len(integers) < len(exact):
        return Numbers(values)
    return Numbers(np.array(integers, np.int64), missing if missing.any() else None)
