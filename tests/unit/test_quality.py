"""The quality of synthetic leads with known disturbances."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.ecg import Lead
from stream_agents.insights.quality import lead_quality
from stream_agents.insights.recording import Recording
from tests.support.heartbeats import digitised, recording, regular, signals

RATE, SECONDS = 500.0, 10.0
TIME = np.arange(round(RATE * SECONDS)) / RATE
CLEAN = signals(regular(0.9, SECONDS), RATE, SECONDS)[1]
RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("disturb", "reason"),
    [
        (lambda x: 0 * x, "flat"),
        (lambda x: np.where(TIME < 7, 0, x), "flat"),
        (lambda x: np.clip(20 * x, -1, 1), "saturated"),
        (lambda x: x + np.sin(2 * np.pi * 50 * TIME), "mains_hum"),
        (lambda x: x + np.sin(2 * np.pi * 60 * TIME), "mains_hum"),
        (lambda x: x + 0.5 * RNG.standard_normal(x.size), "muscle_noise"),
        (lambda x: x + 30 * np.sin(2 * np.pi * 0.1 * TIME), "baseline_wander"),
    ],
)
@pytest.mark.parametrize("gain", [200.0, 1000.0, 1e6])
@pytest.mark.parametrize("offset", [0, 2**40])
def test_a_disturbed_lead_is_not_usable_for_a_reason(
    disturb: Callable[[NDArray[np.float64]], NDArray[np.float64]], reason: str, gain: float, offset: int
) -> None:
    (found,) = lead_quality(recording(disturb(CLEAN)[None], RATE, ("II",), gain, offset))
    assert not found.usable
    assert reason in found.reasons


@pytest.mark.parametrize("rate", [125.0, 250.0, 360.0, 500.0, 1000.0])
def test_sound_leads_are_usable(rate: float) -> None:
    values = signals(regular(0.9, SECONDS), rate, SECONDS, noise_mv=0.01)
    assert [lead.reasons for lead in lead_quality(recording(values, rate))] == [()] * 12


@pytest.mark.parametrize("rate", [125.0, 250.0, 360.0, 1000.0])
@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_disturbances_are_measured_in_millivolts(rate: float, hertz: float) -> None:
    time = np.arange(round(rate * 30)) / rate
    values = signals(regular(0.9, 30), rate, 30, noise_mv=0.0)[1]
    values = values + 0.1 * np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(2 * np.pi * 0.2 * time)
    (found,) = lead_quality(recording(values[None], rate, ("II",)))
    # The mean of `factor` samples lets less of the hum pass.
    assert found.mains_hum_mv == pytest.approx(0.1, abs=0.04)
    assert found.baseline_wander_mv == pytest.approx(0.3 / np.sqrt(2), abs=0.06)
    assert found.amplitude_mv == pytest.approx(np.ptp(values[: round(rate)]), abs=0.3)


def test_missing_samples_count_as_no_signal() -> None:
    values = digitised(np.array([CLEAN, CLEAN]))
    leads = [Lead("I", values[0], 1000.0, ((0, 3000),)), Lead("II", values[1], 1000.0, ((100, 50), (150, 150)))]
    one, two = lead_quality(Recording(leads, RATE))
    assert one.missing_fraction == pytest.approx(0.6)
    assert (one.reasons, one.amplitude_mv, one.flat_fraction) == (("missing",), None, 0)
    assert two.missing_fraction == pytest.approx(0.04)
    assert two.usable


def test_a_shorter_lead_is_missing_from_its_end_on() -> None:
    (values,) = digitised(CLEAN[None])
    one, two = lead_quality(Recording([Lead("I", values), Lead("II", values[:1000])], RATE))
    assert one.usable
    assert two.reasons == ("missing",)


def test_without_a_gain_there_are_no_millivolts_but_reasons() -> None:
    (values,) = digitised((CLEAN + np.sin(2 * np.pi * 50 * TIME))[None])
    (found,) = lead_quality(Recording([Lead("II", values)], RATE))
    assert found.reasons == ("mains_hum",)
    assert (found.amplitude_mv, found.mains_hum_mv, found.muscle_noise_mv, found.baseline_wander_mv) == (None,) * 4


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 499])
def test_the_shortest_recordings_are_judged(samples: int) -> None:
    (found,) = lead_quality(Recording([Lead("II", np.arange(samples))], RATE))
    assert 0 <= found.flat_fraction <= 1
