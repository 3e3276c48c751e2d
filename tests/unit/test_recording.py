"""The input of insights: missing samples, and recordings of many leads or of many gaps in bounded time and memory."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ecg import Ecg, Lead
from stream_agents.insights import INSIGHTS
from stream_agents.insights.computation import compute
from stream_agents.insights.recording import Recording
from stream_agents.insights.rhythm import rhythm
from tests.support.heartbeats import NAMES, digitised, regular, signals

ALL = tuple(INSIGHTS.values())
_gaps = st.lists(st.integers(0, 60), max_size=12, unique=True).map(sorted)


def lead(edges: list[int], size: int = 60) -> Lead:
    """Return a lead whose samples are their own indices plus a hundred, with missing ranges between pairs of edges."""
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b <= size]
    signal = np.arange(100, 100 + size)
    for first, stop in pairs:
        signal[first:stop] = 0
    return Lead("II", signal, None, tuple((first, stop - first) for first, stop in pairs))


@given(_gaps, st.integers(20, 60), st.integers(0, 59), st.integers(1, 60))
def test_missing_samples_hold_the_value_before_them(edges: list[int], size: int, start: int, count: int) -> None:
    recording = Recording([lead(edges, size), Lead("V1", np.zeros(60, np.int8))], 100.0)
    low, high = recording.extremes[0]
    stop = min(60, start + count)
    missing = np.ones(60, np.bool_)
    missing[:size] = recording.leads[0].signal == 0
    expected = []
    for at in range(start, stop):
        before = [other for other in range(start, at + 1) if not missing[other]]
        after = [other for other in range(at, stop) if not missing[other]]
        source = before[-1] if before else after[0] if after else None
        expected.append(0.0 if source is None else 100 + source - (low + high) // 2)
    assert recording.read(start, stop, [0])[0].tolist() == expected
    assert missing[:size].any() == (recording.present(0) is not None)


@given(st.lists(_gaps, min_size=1, max_size=3))
def test_a_sample_is_absent_where_it_is_missing(gaps: list[list[int]]) -> None:
    recording = Recording([lead(edges) for edges in gaps], 100.0)
    [chunk] = recording.chunks()
    absent = recording.absent(chunk)
    missing = [one.signal == 0 for one in recording.leads]
    assert (absent is None) == (not np.any(missing))
    if absent is not None:
        assert np.array_equal(absent, missing)


@given(
    st.sampled_from([np.int8, np.int16, np.int32, np.int64]),
    st.sampled_from([100.0, 500.0, 1000.0]),
    st.integers(0, 99),
)
def test_leads_without_gaps_are_read_at_once_as_they_are_one_by_one(
    dtype: type[np.signedinteger], rate: float, seed: int
) -> None:
    limits = np.iinfo(dtype)
    samples = np.random.default_rng(seed).integers(limits.min, limits.max, (3, 201), dtype, endpoint=True)
    recording = Recording([Lead(name, row) for name, row in zip(NAMES, samples, strict=False)], rate)
    assert recording.extremes == tuple((row.min(), row.max()) for row in samples)
    assert recording.whole is not None
    one_by_one = [recording.read(0, 201 // recording.factor, [lead])[0] for lead in range(3)]
    assert np.array_equal(recording.whole, one_by_one)


def test_a_pause_ends_where_all_leads_are_missing() -> None:
    rows = digitised(signals(regular(0.8, 10), 250, 30)[:2])
    ranges = (((2500, 1000), (4000, 1000)), ((3000, 1500),))
    for row, of in zip(rows, ranges, strict=True):
        for first, count in of:
            row[first : first + count] = 0
    leads = [Lead(name, row, 1000.0, of) for name, row, of in zip(("I", "II"), rows, ranges, strict=True)]
    # Both leads miss 3000 to 3500 and 4000 to 4500; the signal goes on until 7500.
    assert rhythm(Recording(leads, 250.0)).longest_pause_ms == pytest.approx(12_000, abs=1)


@pytest.mark.parametrize(("rate", "samples"), [(250.0, 60_000), (1e6, 2_000_000)])
def test_many_leads_of_which_one_is_long_take_little_memory_and_time(rate: float, samples: int) -> None:
    long = Lead("II", np.random.default_rng(0).integers(-100, 100, samples).astype(np.int16), 1000.0)
    short = tuple(Lead(f"{number}", np.ones(1, np.int8), 1000.0) for number in range(1023))
    tracemalloc.start()
    begun = time.process_time()
    found = compute(Ecg("e", "u", None, (long, *short), rate), ALL)
    seconds = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not found.failures
    assert peak < 128 << 20
    assert seconds < 10


def test_many_leads_have_the_same_beats_as_the_first_sixteen() -> None:
    rows = digitised(signals(regular(0.8, 10), 250, 10))
    few = [Lead(name, row, 1000.0) for name, row in zip(NAMES, rows, strict=True)]
    many = few + [Lead(f"ECG{number}", row, 1000.0) for number, row in enumerate(rows * 2)]
    assert rhythm(Recording(many, 250.0)) == rhythm(Recording(many[:16], 250.0))


def test_gaps_after_every_sample_take_little_time() -> None:
    signal = np.zeros(400_000, np.int16)
    signal[::2] = np.random.default_rng(0).integers(-100, 100, 200_000)
    gaps = tuple((first, 1) for first in range(1, 400_000, 2))
    begun = time.process_time()
    found = compute(Ecg("e", "u", None, tuple(Lead(name, signal, 1000.0, gaps) for name in ("I", "II")), 500.0), ALL)
    assert time.process_time() - begun < 10
    assert not found.failures
