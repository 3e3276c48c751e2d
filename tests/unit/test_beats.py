"""Beats and rhythm of synthetic ECGs whose beats are known."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ecg import Lead, Ranges
from stream_agents.insights.beats import find_beats
from stream_agents.insights.recording import Recording
from stream_agents.insights.rhythm import rhythm
from tests.support.heartbeats import NAMES, Heart, digitised, recording, regular, signals

SECONDS = 12.0
_rates = st.sampled_from([125.0, 180.0, 250.0, 257.0, 360.0, 500.0, 977.0, 1000.0])
_intervals = st.lists(st.floats(0.45, 1.4), min_size=14, max_size=30)


def _onsets(intervals: list[float], seconds: float = SECONDS) -> NDArray[np.float64]:
    onsets = 0.6 + np.cumsum(intervals)
    return onsets[onsets < seconds - 0.7]


def _are(found: Recording, onsets: NDArray[np.float64], within: float = 0.06) -> bool:
    """Return True if there is a beat within the QRS complex of each onset, and none elsewhere."""
    at = find_beats(found).positions / found.sampling_rate
    return at.size == onsets.size and bool(np.all(np.abs(at - onsets - 0.045) < within))


@given(intervals=_intervals, rate=_rates, leads=st.sets(st.integers(0, 11), min_size=1), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_every_beat_is_found_at_any_rate_on_any_leads(
    intervals: list[float], rate: float, leads: set[int], seed: int
) -> None:
    chosen = sorted(leads)
    onsets = _onsets(intervals)
    values = signals(onsets, rate, SECONDS, seed=seed)[chosen]
    # aVL is nearly silent: what there is of it, I and II show better.
    if chosen != [4]:
        assert _are(recording(values, rate, [NAMES[lead] for lead in chosen]), onsets)


@given(
    intervals=_intervals,
    factor=st.sampled_from([1, 2, 7, 1000, 10**9]),
    sign=st.sampled_from([1, -1]),
    offset=st.integers(-(2**62), 2**62),
)
@settings(max_examples=5, deadline=None)
def test_gain_sign_and_offset_change_nothing(intervals: list[float], factor: int, sign: int, offset: int) -> None:
    values = digitised(signals(_onsets(intervals), 250.0, SECONDS)[:3])
    plain = find_beats(Recording([Lead("I", row) for row in values], 250.0))
    other = find_beats(Recording([Lead("I", sign * factor * row + offset) for row in values], 250.0))
    assert np.allclose(plain.positions, other.positions, atol=0.5)


@given(
    intervals=st.lists(st.floats(0.45, 1.4), min_size=150, max_size=150), chunk=st.sampled_from([8.0, 20.0, 31.0, 62.0])
)
@settings(max_examples=5, deadline=None)
def test_chunks_change_nothing(intervals: list[float], chunk: float) -> None:
    seconds = 90.0
    values = digitised(signals(_onsets(intervals, seconds), 360.0, seconds, noise_mv=0.05)[:2])
    leads = [Lead(name, row) for name, row in zip(("I", "II"), values, strict=True)]
    whole = find_beats(Recording(leads, 360.0, chunk_seconds=seconds))
    parts = find_beats(Recording(leads, 360.0, chunk_seconds=chunk))
    assert np.allclose(whole.positions, parts.positions, atol=1e-3)


@pytest.mark.parametrize("disturbed", ["flat", "noise", "saturated", "hum", "steps", "missing"])
def test_a_bad_lead_does_no_harm(disturbed: str) -> None:
    rate, onsets = 500.0, regular(0.8, SECONDS)
    values = signals(onsets, rate, SECONDS)
    rng = np.random.default_rng(1)
    missing: dict[int, Ranges] = {}
    for lead in (1, 7):
        values[lead] = {
            "flat": np.zeros_like(values[lead]),
            "noise": 3 * rng.standard_normal(values[lead].size),
            "saturated": np.clip(50 * values[lead], -2, 2),
            "hum": values[lead] + 5 * np.sin(2 * np.pi * 50 * np.arange(values[lead].size) / rate),
            "steps": 3.0 * (np.arange(values[lead].size) // 217 % 2),
            "missing": rng.standard_normal(values[lead].size),
        }[disturbed]
        if disturbed == "missing":
            missing[lead] = ((0, values[lead].size),)
    leads = [
        Lead(name, row, 1000.0, missing.get(index, ()))
        for index, (name, row) in enumerate(zip(NAMES, digitised(values), strict=True))
    ]
    assert _are(Recording(leads, rate), onsets)


@pytest.mark.parametrize("off", ["flat", "missing"])
@pytest.mark.parametrize("leads", [[0, 1], [0, 6], list(range(12))], ids=["two limb leads", "I and V1", "twelve leads"])
@pytest.mark.parametrize("seconds", [8.0, 25.0, 70.0])
def test_a_lead_that_is_off_for_a_while_costs_no_beat(off: str, leads: list[int], seconds: float) -> None:
    rate, whole = 250.0, 100.0
    onsets = regular(0.8, whole)
    values = signals(onsets, rate, whole)[leads]
    first, count = round(15.3 * rate), round(seconds * rate)
    values[0, first : first + count] = values[0, first]
    ranges: Ranges = ((first, count),) if off == "missing" else ()
    found = [
        Lead(NAMES[lead], row, 1000.0, () if at else ranges)
        for at, (lead, row) in enumerate(zip(leads, digitised(values), strict=True))
    ]
    assert _are(Recording(found, rate), onsets)


@pytest.mark.parametrize("spike", [2**24, 2**30, -(2**31)])
def test_a_sample_of_any_size_costs_no_beat_elsewhere(spike: int) -> None:
    rate, whole = 250.0, 100.0
    onsets = regular(0.83, whole)
    values = signals(onsets, rate, whole)[[1, 7]]
    # The other lead is hardly more than noise.
    values[1] = 0.05 * values[1] + 0.12 * np.random.default_rng(1).standard_normal(values.shape[1])
    rows = digitised(values, 200)
    rows[0][500] += spike
    at = find_beats(Recording([Lead(*each, 200.0) for each in zip(("II", "V2"), rows, strict=True)], rate)).positions
    late = onsets[onsets > 20] + 0.045
    found = at[at > 20 * rate] / rate
    assert np.abs(found[:, None] - late).min(axis=0).max() < 0.1
    assert found.size == late.size


def test_a_pulse_wave_is_no_ecg() -> None:
    rate, onsets = 250.0, regular(0.8, SECONDS)
    time = np.arange(round(SECONDS * rate)) / rate
    pulse = np.exp(-(((time - onsets[:, None] - 0.3) / 0.03) ** 2)).sum(axis=0)
    values = np.vstack((signals(onsets, rate, SECONDS, noise_mv=0.05)[1], 100 * pulse))
    assert _are(recording(values, rate, ("II", "Pleth")), onsets)


@pytest.mark.parametrize(("strength", "is_beat"), [(0.35, False), (0.9, True)])
def test_only_a_strong_complex_divides_a_usual_interval(strength: float, *, is_beat: bool) -> None:
    rate, onsets = 250.0, regular(1.0, 20)
    between = float(onsets[9]) + 0.5
    extra = strength * signals([between], rate, 20, Heart(p=0, t=0), noise_mv=0.0)
    found = recording(signals(onsets, rate, 20) + extra, rate)
    assert _are(found, np.sort(np.append(onsets, between)) if is_beat else onsets)


def test_missing_samples_hold_no_beats_and_no_interval_spans_them() -> None:
    rate, onsets = 250.0, regular(0.8, 30)
    values = digitised(signals(onsets, rate, 30)[:2])
    for row in values:
        row[2500:4000] = 30000
    found = Recording([Lead("I", row, None, ((2500, 1500),)) for row in values], rate)
    at = find_beats(found).samples
    assert not np.any((at >= 2500) & (at < 4000))
    sound = onsets[(onsets * rate < 2500 - 0.3 * rate) | (onsets * rate > 4000 + 0.3 * rate)]
    assert np.all(np.abs(sound[:, None] + 0.045 - at / rate).min(axis=1) < 0.06)
    result = rhythm(found)
    assert result.rr_longest_ms == pytest.approx(800, abs=8)
    assert result.longest_pause_ms is not None
    assert result.longest_pause_ms < 1700


def test_rhythm_is_that_of_the_beats() -> None:
    intervals = np.tile([0.7, 0.8, 0.9], 20)
    seconds = 40.0
    onsets = 0.6 + np.cumsum(intervals)
    onsets = onsets[onsets < seconds - 0.7]
    result = rhythm(recording(signals(onsets, 500, seconds), 500))
    assert result.number_of_beats == onsets.size == len(result.beats)
    assert result.heart_rate_bpm == pytest.approx(60 / np.diff(onsets).mean(), abs=0.2)
    assert result.rr_median_ms == pytest.approx(800, abs=4)
    assert result.rr_shortest_ms == pytest.approx(700, abs=6)
    assert result.rr_longest_ms == pytest.approx(900, abs=6)
    assert result.sdnn_ms == pytest.approx(1000 * np.std(np.diff(onsets), ddof=1), abs=4)
    assert result.rmssd_ms == pytest.approx(1000 * np.sqrt(np.mean(np.diff(onsets, 2) ** 2)), abs=5)
    assert result.absent == {}


def test_a_pause_at_the_end_is_a_pause() -> None:
    onsets = regular(0.8, 10)
    result = rhythm(recording(signals(onsets, 250, 20), 250))
    assert result.longest_pause_ms == pytest.approx(1000 * (20 - onsets[-1]), abs=60)
    assert result.rr_longest_ms == pytest.approx(800, abs=8)


def test_variability_of_a_few_beats_is_absent_with_a_reason() -> None:
    result = rhythm(recording(signals(regular(0.9, 6), 250, 6), 250))
    assert result.sdnn_ms is None
    assert result.rmssd_ms is None
    assert set(result.absent) == {"sdnn_ms", "rmssd_ms"}


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 249, 250, 260, 600])
@pytest.mark.parametrize("value", [0, -(2**63), 2**63 - 1])
def test_a_recording_of_nothing_has_no_beats(samples: int, value: int) -> None:
    result = rhythm(Recording([Lead("II", np.full(samples, value, np.int64))], 250.0))
    assert result.number_of_beats == 0
    assert result.heart_rate_bpm is None
    assert "heart_rate_bpm" in result.absent


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3000), st.sampled_from([50.0, 125.0, 1000.0]))
@settings(max_examples=15, deadline=None)
def test_any_samples_are_taken(samples: list[int], rate: float) -> None:
    result = rhythm(Recording([Lead("II", np.array(samples, np.int64)), Lead("x", np.zeros(5, np.int8))], rate))
    assert all(0 <= beat < len(samples) for beat in result.beats)


def test_memory_does_not_grow_with_the_length() -> None:
    rng = np.random.default_rng(0)
    peaks = []
    for minutes in (20, 60):
        signal = rng.integers(-100, 100, minutes * 60 * 250).astype(np.int16)
        signal[::200] += 3000
        tracemalloc.start()
        find_beats(Recording([Lead("II", signal)], 250.0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The beats themselves take a hundred bytes each.
    assert peaks[1] < peaks[0] + 200 * 40 * 75
