"""Statistics of short arrays, compared with NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_agents.insights.statistics import median, median_over_beats, moving_mean


@pytest.mark.parametrize("beats", range(1, 41))
def test_the_median_over_beats_is_that_of_each_sample(beats: int) -> None:
    values = np.random.default_rng(beats).integers(-3, 4, (2, beats, 200)).astype(np.float64)
    assert np.array_equal(median_over_beats(values), np.median(values, axis=1))


@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=5), min_size=1, max_size=8))
def test_the_median_is_that_of_the_last_axis_and_changes_no_value(rows: list[list[float]]) -> None:
    values = np.array(rows)
    assert np.array_equal(median(values), np.median(values, axis=-1))
    assert values.tolist() == rows


@pytest.mark.parametrize(("beyond", "expected"), [("constant", [1.0, 2.0, 5 / 3]), ("nearest", [4 / 3, 2.0, 8 / 3])])
def test_a_moving_mean_continues_beyond_the_ends(beyond: str, expected: list[float]) -> None:
    found = moving_mean(np.array([1.0, 2.0, 3.0]), 3, beyond)  # type: ignore[arg-type]
    assert found.tolist() == pytest.approx(expected)
