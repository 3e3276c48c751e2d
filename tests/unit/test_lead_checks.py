"""Checks of leads on synthetic ECGs that are sound, swapped or mislabelled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ecg import Lead
from stream_agents.insights.lead_checks import lead_checks
from stream_agents.insights.lead_names import STANDARD_LEADS, canonical
from stream_agents.insights.recording import Recording
from tests.support.heartbeats import NAMES, Heart, recording, regular, signals

VALUES = signals(regular(0.9, 10), 500, 10, noise_mv=0.0)


def _swapped(values: np.ndarray) -> np.ndarray:
    """Return what is recorded with the electrodes of the arms swapped."""
    found = values.copy()
    found[0], found[1], found[2], found[3], found[4] = -values[0], values[2], values[1], values[4], values[3]
    return found


@given(rate=st.sampled_from([125.0, 250.0, 500.0, 1000.0]), p=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 9))
@settings(max_examples=8, deadline=None)
def test_swapped_arms_are_noticed(rate: float, p: float, seed: int) -> None:
    values = signals(regular(0.9, 10), rate, 10, Heart(p=p), seed=seed)
    assert lead_checks(recording(values, rate)).arm_electrodes_swapped is False
    assert lead_checks(recording(_swapped(values), rate)).arm_electrodes_swapped is True


def test_limb_leads_add_up_also_when_arms_are_swapped() -> None:
    for values in (VALUES, _swapped(VALUES)):
        found = lead_checks(recording(values, 500))
        assert found.limb_leads_add_up is True
        assert found.limb_lead_error_mv == pytest.approx(0.001, abs=0.0011)


def test_a_repeated_lead_of_another_gain_does_not_count() -> None:
    leads = recording(VALUES, 500).leads
    again = Lead("I", leads[0].signal // 2, 500.0)
    found = lead_checks(Recording([*leads, again], 500))
    assert found.repeated_names == ("I",)
    assert found.limb_leads_add_up is True


@pytest.mark.parametrize("lead", range(6))
def test_a_limb_lead_that_is_upside_down_does_not_add_up(lead: int) -> None:
    values = VALUES.copy()
    values[lead] = -values[lead]
    assert lead_checks(recording(values, 500)).limb_leads_add_up is False


def test_what_cannot_be_checked_is_absent_with_a_reason() -> None:
    found = lead_checks(recording(VALUES[[1, 6]], 500, ("II", "V1")))
    assert found.limb_leads_add_up is None
    assert found.arm_electrodes_swapped is None
    assert set(found.absent) == {
        "limb_leads_add_up",
        "limb_lead_error_mv",
        "arm_electrodes_swapped",
        "arm_electrodes_score",
    }


def test_odd_names_are_told() -> None:
    found = lead_checks(recording(VALUES[:4], 500, ("II", "ii", "Resp", "V1")))
    assert found.repeated_names == ("II",)
    assert found.unknown_names == ("Resp",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, name) for name in STANDARD_LEADS),
        *((name.upper(), name) for name in STANDARD_LEADS),
        ("MDC_ECG_LEAD_AVR", "aVR"),
        ("Lead II", "II"),
        ("ECG V5", "V5"),
        ("MLII", "MLII"),
        ("ECG1", "ECG1"),
        ("DII", "II"),
        ("Resp", None),
        ("Pleth", None),
        ("", None),
    ],
)
def test_names_of_devices_and_formats_are_known(name: str, expected: str | None) -> None:
    assert canonical(name) == expected


def test_every_lead_name_is_distinct() -> None:
    assert len({canonical(name) for name in NAMES}) == len(NAMES)
