"""Samples as bytes: lines of integers and raw frames, cut into pieces at any place."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_client import UnreadableRecording
from ecg_client.samples import of_frames, of_lines


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Yield bytes in pieces that end at these places."""
    begin = 0
    for end in sorted({place % (len(data) + 1) for place in places} | {len(data)}):
        yield data[begin:end]
        begin = end


def whole(blocks: Iterable[np.ndarray], leads: int) -> list[list[int]]:
    """The samples of all blocks, by lead."""
    found: list[list[int]] = [[] for _ in range(leads)]
    for block in blocks:
        for samples, row in zip(found, block, strict=True):
            samples.extend(row.tolist())
    return found


def unexpected(text: str) -> None:
    raise AssertionError(text)


@given(
    rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5))),
    between=st.sampled_from([b",", b" ", b"\t", b" , "]),
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    places=st.lists(st.integers(0, 1000)),
)
def test_lines_are_read_however_they_are_cut(
    rows: list[tuple[int, int]], between: bytes, end: bytes, places: list[int]
) -> None:
    text = b"".join(between.join(b"%d" % value for value in row) + end for row in rows)
    assert whole(of_lines(cut(text, places), 2, unexpected), 2) == [[row[i] for row in rows] for i in (0, 1)]


@given(
    rows=st.lists(st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 3)),
    places=st.lists(st.integers(0, 1000)),
)
def test_frames_are_read_however_they_are_cut(rows: list[tuple[int, int, int]], places: list[int]) -> None:
    raw = np.array(rows, "<i2").tobytes()
    assert whole(of_frames(cut(raw, places), 3, unexpected), 3) == [[row[i] for row in rows] for i in range(3)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"1", "line 3: must hold 2 integers, one for each lead, not 1"),
        (b"1,2,", "line 3: must hold 2 integers, one for each lead, not 3"),
        (b"1,0.5", "line 3, column 2: must be an integer in ADC units: multiply fractions"),
        (b",2", "line 3, column 1: must be an integer in ADC units"),
        (b"I,II", "line 3: holds no number: each line must hold 2 integers, one for each lead; leave a heading out"),
        (b"time I II", "line 3: holds no number"),
        (b"1_0 2", "line 3, column 1: must be an integer in ADC units"),
        (b"nan 2", "line 3, column 1: must be an integer in ADC units"),
        (b"1 9223372036854775808", "line 3, column 2: must be an integer of 64 bits"),
    ],
)
def test_a_wrong_line_is_named_and_those_before_it_are_kept(line: bytes, problem: str) -> None:
    found, told = list[np.ndarray](), ""
    try:
        for block in of_lines([b"1,2\n3,4\n" + line + b"\n5,6\n"], 2, unexpected):
            found.append(block)
    except UnreadableRecording as error:
        told = str(error)
    assert told.startswith(problem)
    assert whole(found, 2) == [[1, 3], [2, 4]]


def test_raw_samples_are_not_taken_for_a_long_line() -> None:
    with pytest.raises(UnreadableRecording, match=r"line 1: has no end within 65536 bytes: .* --format int16"):
        list(of_lines([bytes(60_000), bytes(60_000)], 2, unexpected))


def test_what_may_be_cut_off_is_left_out_and_told() -> None:
    told: list[str] = []
    assert whole(of_lines([b"1\n2\n3"], 1, told.append), 1) == [[1, 2]]
    assert whole(of_frames([b"\1\0\2\0\3"], 1, told.append), 1) == [[1, 2]]
    assert whole(of_lines([b"45\n2\n"], 1, told.append, is_cut=True), 1) == [[2]]
    assert told == [
        "line 3: has no line end, so it is left out: it may be cut off",
        "the last 1 bytes are left out: a frame of 1 leads has 2",
    ]
