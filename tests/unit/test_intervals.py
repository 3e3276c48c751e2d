"""Intervals and axis of synthetic ECGs whose waves are known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.ecg import Lead
from stream_agents.insights.intervals import Intervals, intervals
from stream_agents.insights.recording import Recording
from stream_agents.insights.rhythm import rhythm
from tests.support.heartbeats import NAMES, Heart, digitised, recording, regular, signals

SECONDS = 10.0


def _measured(heart: Heart, rr: float = 0.9, rate: float = 500.0, noise_mv: float = 0.005, seed: int = 0) -> Intervals:
    return intervals(recording(signals(regular(rr, SECONDS), rate, SECONDS, heart, noise_mv=noise_mv, seed=seed), rate))


@given(
    pr=st.floats(0.13, 0.22),
    qrs=st.floats(0.075, 0.14),
    qt=st.floats(0.36, 0.44),
    rr=st.floats(0.75, 1.2),
    rate=st.sampled_from([250.0, 360.0, 500.0, 1000.0]),
)
@example(pr=0.13, qrs=0.14, qt=0.36, rr=1.0, rate=360.0)
@example(pr=0.18, qrs=0.14, qt=0.4, rr=0.75, rate=250.0)
@settings(max_examples=12, deadline=None)
def test_known_intervals_are_measured(pr: float, qrs: float, qt: float, rr: float, rate: float) -> None:
    found = _measured(Heart(pr, qrs, qt), rr, rate)
    assert found.pr_ms == pytest.approx(1000 * pr, abs=16)
    assert found.qrs_ms == pytest.approx(1000 * qrs, abs=14)
    assert found.qt_ms == pytest.approx(1000 * qt, abs=30)
    assert found.qtc_bazett_ms == pytest.approx(found.qt_ms / np.sqrt(rr), abs=2)
    assert found.qtc_fridericia_ms == pytest.approx(found.qt_ms / np.cbrt(rr), abs=2)
    assert found.absent == {}


@pytest.mark.parametrize("rate", [250.0, 360.0, 500.0, 1000.0])
def test_the_onset_of_each_qrs_complex_is_known_from_its_beat(rate: float) -> None:
    onsets = regular(0.9, SECONDS)
    measured = recording(signals(onsets, rate, SECONDS, noise_mv=0.005), rate)
    beats = np.array(rhythm(measured).beats) / rate
    offset = intervals(measured).qrs_onset_ms
    assert offset is not None
    assert offset < 0
    assert 1000 * beats + offset == pytest.approx(1000 * onsets, abs=14)


def test_a_longer_interval_is_measured_longer() -> None:
    for name, hearts in {
        "pr_ms": [Heart(pr=0.14), Heart(pr=0.18), Heart(pr=0.22)],
        "qrs_ms": [Heart(qrs=0.08), Heart(qrs=0.11), Heart(qrs=0.14)],
        "qt_ms": [Heart(qt=0.36), Heart(qt=0.4), Heart(qt=0.44)],
    }.items():
        values = [getattr(_measured(heart), name) for heart in hearts]
        assert np.allclose(np.diff(values), np.diff([getattr(heart, name[:-3]) for heart in hearts]) * 1000, atol=8), (
            name
        )


@given(rate=st.sampled_from([125.0, 200.0, 257.0, 360.0, 1000.0]))
@settings(max_examples=5, deadline=None)
def test_the_sampling_rate_changes_little(rate: float) -> None:
    expected, found = _measured(Heart(), rate=500.0), _measured(Heart(), rate=rate)
    for name, tolerance in (("pr_ms", 10), ("qrs_ms", 10), ("qt_ms", 12), ("qrs_axis_deg", 5)):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=tolerance)


@given(lead=st.integers(0, 11), factor=st.sampled_from([1, 3, 1000]), offset=st.integers(-(2**60), 2**60))
@settings(max_examples=6, deadline=None)
def test_gain_sign_and_offset_of_a_lead_do_not_change_intervals(lead: int, factor: int, offset: int) -> None:
    values = digitised(signals(regular(0.9, SECONDS), 500, SECONDS))
    plain = intervals(Recording([Lead(name, row) for name, row in zip(NAMES, values, strict=True)], 500))
    values[lead] = -factor * values[lead] + offset
    other = intervals(Recording([Lead(name, row) for name, row in zip(NAMES, values, strict=True)], 500))
    for name in ("pr_ms", "qrs_ms", "qt_ms"):
        assert getattr(other, name) == pytest.approx(getattr(plain, name), abs=4)
    assert plain.qrs_axis_deg is None
    assert "gain" in plain.absent["qrs_axis_deg"]


@given(chunk=st.sampled_from([8.0, 20.0, 50.0]))
@settings(max_examples=3, deadline=None)
def test_chunks_change_nothing(chunk: float) -> None:
    values = digitised(signals(regular(0.9, 70), 500, 70))
    leads = [Lead(name, row, 1000.0) for name, row in zip(NAMES, values, strict=True)]
    assert intervals(Recording(leads, 500, chunk_seconds=chunk)) == intervals(Recording(leads, 500))


def test_spikes_of_a_pacemaker_are_no_part_of_the_qrs_complex() -> None:
    plain, paced = _measured(Heart(qrs=0.14, p=0)), _measured(Heart(qrs=0.14, p=0, spikes=True))
    assert plain.qrs_ms is not None
    assert paced.qrs_ms == pytest.approx(plain.qrs_ms, abs=8)


def test_without_p_waves_pr_is_absent_with_a_reason() -> None:
    found = _measured(Heart(p=0), noise_mv=0.02)
    assert found.pr_ms is None
    assert "P wave" in found.absent["pr_ms"]
    assert found.qrs_ms is not None


@given(seed=st.integers(0, 50))
@settings(max_examples=6, deadline=None)
def test_in_atrial_fibrillation_pr_is_absent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    onsets = 0.6 + np.cumsum(rng.uniform(0.5, 1.2, 30))
    onsets = onsets[onsets < 14]
    values = signals(onsets, 500, 15, Heart(p=0), seed=seed)
    # Fibrillatory waves of 6 a second that keep no time with the beats.
    waves = 0.06 * np.sin(2 * np.pi * np.cumsum(rng.uniform(4, 8, values.shape[1])) / 500)
    found = intervals(recording(values + waves * np.linspace(0.3, 1, 12)[:, None], 500))
    assert found.pr_ms is None
    assert "pr_ms" in found.absent
    assert found.qrs_ms == pytest.approx(90, abs=15)


def test_a_flat_t_wave_is_absent_with_a_reason() -> None:
    found = _measured(Heart(t=0.05))
    assert found.qt_ms is None
    assert found.qtc_bazett_ms is None
    assert "T wave" in found.absent["qt_ms"]


def test_two_beats_are_too_few() -> None:
    found = intervals(recording(signals([0.8, 1.7], 500, 2.6), 500))
    assert (found.pr_ms, found.qrs_ms, found.qt_ms) == (None, None, None)
    assert "alike beats" in found.absent["qrs_ms"]


def test_noise_on_all_leads_is_no_ground_for_intervals() -> None:
    found = intervals(recording(signals(regular(0.9, SECONDS), 500, SECONDS, noise_mv=2.0), 500))
    assert found.qrs_ms is None
    assert found.absent["qrs_ms"] == "no usable lead"


@pytest.mark.parametrize(
    ("one", "foot", "degrees"), [(1, 0.1, 6.6), (0.1, 1, 85.0), (-1, 0.1, 173.4), (1, -1, -49.1), (1, 1, 49.1)]
)
def test_the_axis_is_that_of_the_areas_in_i_and_avf(one: float, foot: float, degrees: float) -> None:
    shape = signals(regular(0.9, SECONDS), 500, SECONDS, Heart(p=0, t=0), noise_mv=0.0)[9]
    values = np.array([one * shape, foot * shape, shape]) + 0.01 * np.random.default_rng(0).standard_normal(
        (3, shape.size)
    )
    found = intervals(recording(values, 500, ("I", "aVF", "V4"), gain=10_000))
    assert found.qrs_axis_deg is not None
    assert abs((found.qrs_axis_deg - degrees + 180) % 360 - 180) < 4
