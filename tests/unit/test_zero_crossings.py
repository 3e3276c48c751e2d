"""Zero crossings: the definition, and all integer widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ecg import Lead
from stream_agents.insights.recording import Recording
from stream_agents.insights.zero_crossings import (
    count_together,
    count_zero_crossings,
    zero_crossings,
    zero_crossings_together,
)
from tests.support.ecgs import crossings

WIDTHS = {np.int8: 8, np.int16: 16, np.int32: 32, np.int64: 64}


@pytest.mark.parametrize(
    ("signal", "count"),
    [
        ([1, 0, -1, 0, 1, 0, 0, 1], 3),
        ([1, 0, -1], 1),
        ([1, -2, 0, 3, -4, 0, 0, 5, 6, -7], 5),
        ([], 0),
        ([5], 0),
        ([0, 0, 1, 0], 1),
        ([2**63 - 1, -(2**63)], 1),
        ([-(2**63), -(2**63)], 0),
    ],
)
def test_examples(signal: list[int], count: int) -> None:
    assert count_zero_crossings([np.array(signal, np.int64)]) == [count]
    assert crossings(signal) == count


@pytest.mark.parametrize("dtype", WIDTHS)
@given(data=st.data())
def test_every_width_agrees_with_a_plain_loop(dtype: type[np.signedinteger], data: st.DataObject) -> None:
    limits = np.iinfo(dtype)
    sample = st.integers(int(limits.min), int(limits.max)) | st.integers(-2, 2)
    signal = data.draw(st.lists(sample, max_size=60))
    array = np.array(signal, dtype)
    assert count_zero_crossings([array]) == [crossings(signal)]
    assert count_zero_crossings([array[::-2]]) == [crossings(signal[::-2])]


def test_an_unaligned_read_only_view_of_other_byte_order_is_counted() -> None:
    raw = b"\x00" + np.array([3, -3, 0, 5], ">i4").tobytes()
    assert count_zero_crossings([np.frombuffer(raw, ">i4", offset=1)]) == [2]


@given(st.lists(st.tuples(st.sampled_from(list(WIDTHS)), st.lists(st.integers(-2, 2), max_size=9)), min_size=1))
def test_signals_of_all_lengths_and_widths_are_counted_separately(
    leads: list[tuple[type[np.signedinteger], list[int]]],
) -> None:
    signals = [np.array(signal, dtype) for dtype, signal in leads]
    assert count_zero_crossings(signals) == [crossings(signal) for _, signal in leads]


@st.composite
def signals_of_any_width(draw: st.DrawFn) -> NDArray[np.signedinteger]:
    dtype = draw(st.sampled_from(["<i1", "<i2", ">i2", "<i4", "<i8", ">i8"]))
    limits = np.iinfo(dtype)
    extremes = st.sampled_from([int(limits.min), int(limits.max)])
    return np.array(draw(st.lists(st.integers(-2, 2) | extremes, max_size=9)), dtype)


@given(st.lists(st.lists(signals_of_any_width(), min_size=1, max_size=4), min_size=1, max_size=6))
def test_ecgs_together_have_the_counts_that_each_has_alone(ecgs: list[list[NDArray[np.signedinteger]]]) -> None:
    recordings = [Recording([Lead("I", signal) for signal in signals], None) for signals in ecgs]
    assert zero_crossings_together(recordings) == [zero_crossings(recording) for recording in recordings]
    signals = [signal for signals in ecgs for signal in signals]
    assert count_together(signals) == [crossings(signal.tolist()) for signal in signals]


def test_missing_samples_count_together_as_they_do_alone() -> None:
    """They are 0: the first one of a range is a crossing."""
    gap = Recording([Lead("I", np.array([5, 0, 0, -5], "<i2"), 1.0, ((1, 2),)), Lead("II", np.empty(0, "<i1"))], 500.0)
    late = Recording([Lead("I", np.array([-1, 1], "<i8"))], None)
    assert zero_crossings_together([gap, late, gap]) == [[1, 0], [1], [1, 0]]
    assert [zero_crossings(recording) for recording in (gap, late)] == [[1, 0], [1]]
