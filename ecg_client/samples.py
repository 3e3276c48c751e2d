"""Samples of a live source as bytes: lines of integers, or raw frames."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ecg_client.recordings import UnreadableRecording

_FRAME_TYPE = np.dtype("<i2")
# Bytes of a line: a longer one is not text.
_LONGEST_LINE = 1 << 16
_LEAST, _MOST = -(2**63), 2**63 - 1

Note = Callable[[str], None]
"""Is called with a note about data that was left out."""


def of_lines(read: Iterable[bytes], leads: int, note: Note, *, is_cut: bool = False) -> Iterator[NDArray[np.int64]]:
    """Yield the samples of lines of integers as blocks of shape (leads, n).

    A line has an integer for each lead, with commas or white space between them. Empty lines are passed over.

    Args:
        read: the bytes, however they are cut.
        leads: the number of leads.
        note: is called if the last line has no line end: it is left out, because it may be cut off.
        is_cut: True to leave out the first line, because reading may have begun within it.

    Raises:
        UnreadableRecording: if a line holds something else; the lines before it were yielded.
    """
    number, rest = 0, b""
    for data in read:
        *lines, rest = (rest + data).split(b"\n")
        rows: list[list[int]] = []
        wrong: UnreadableRecording | None = None
        for line in lines:
            number += 1
            if not line.strip() or (is_cut and number == 1):
                continue
            try:
                rows.append(_row(line, number, leads))
            except UnreadableRecording as error:
                wrong = error
                break
        if rows:
            yield np.array(rows, np.int64).T
        if wrong is not None:
            raise wrong
        if len(rest) > _LONGEST_LINE:
            raise UnreadableRecording(
                f"line {number + 1}: has no end within {_LONGEST_LINE} bytes: must be lines of integers, one column "
                "for each lead; raw samples need --format int16"
            )
    if rest.strip():
        note(f"line {number + 1}: has no line end, so it is left out: it may be cut off")


def _row(line: bytes, number: int, leads: int) -> list[int]:
    cells = line.split(b",") if b"," in line else line.split()
    if not any(map(_is_number, cells)):
        raise UnreadableRecording(
            f"line {number}: holds no number: each line must hold {leads} integers, one for each lead; leave a heading "
            "out, and name the leads with --leads"
        )
    if len(cells) != leads:
        raise UnreadableRecording(f"line {number}: must hold {leads} integers, one for each lead, not {len(cells)}")
    return [_integer(cell, f"line {number}, column {column}") for column, cell in enumerate(cells, 1)]


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _integer(cell: bytes, where: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        value = None
    # Python reads 1_000 too.
    if value is None or b"_" in cell:
        raise UnreadableRecording(
            f"{where}: must be an integer in ADC units: multiply fractions, and give the factor to millivolts as --gain"
        )
    if not _LEAST <= value <= _MOST:
        raise UnreadableRecording(f"{where}: must be an integer of 64 bits")
    return value


def of_frames(read: Iterable[bytes], leads: int, note: Note) -> Iterator[NDArray[np.int16]]:
    """Yield the samples of frames as blocks of shape (leads, n): a frame has a 16-bit integer for each lead.

    Args:
        read: the bytes, little-endian, however they are cut.
        leads: the number of leads.
        note: is called if the last frame is incomplete: it is left out.
    """
    size, rest = leads * _FRAME_TYPE.itemsize, b""
    for data in read:
        held = rest + data
        whole = len(held) // size * size
        rest = held[whole:]
        if whole:
            yield np.frombuffer(held[:whole], _FRAME_TYPE).reshape(-1, leads).T
    if rest:
        note(f"the last {len(rest)} bytes are left out: a frame of {leads} leads has {size}")
