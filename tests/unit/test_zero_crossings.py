"""Zero crossings: the definition, and all integer widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_agents.insights.zero_crossings import count_zero_crossings
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
