"""Insights on a few annotated recordings, where the folder of recordings exists; `make validate` takes all of them."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from stream_agents.insights.beats import find_beats
from stream_agents.insights.intervals import intervals
from stream_agents.insights.lead_checks import lead_checks
from stream_agents.insights.rhythm import rhythm
from tests.support.paths import RECORDINGS
from validation.hand_counts import HEART_RATES
from validation.matching import match
from validation.measure import swapped
from validation.records import ludb, ptbxl, rhythm_records


def folder(name: str) -> Path:
    if not (found := RECORDINGS / name).is_dir():
        pytest.skip(f"no {name} in {RECORDINGS}")
    return found


def test_the_beats_of_half_an_hour_are_found() -> None:
    for record in islice(rhythm_records(folder("mitdb")), 3):
        score = match(record.beats, find_beats(record.recording()).samples, record.rate, list(record.left_out))
        assert min(score.sensitivity, score.predictivity) > 99.0, record.name


def test_noise_hides_few_beats() -> None:
    [record] = rhythm_records(folder("nstdb"))
    score = match(record.beats, find_beats(record.recording()).samples, record.rate)
    assert score.f1 > 80


def test_intervals_are_those_that_cardiologists_marked() -> None:
    errors: dict[str, list[float]] = {"pr": [], "qrs": [], "qt": []}
    for record, reference in islice(ludb(folder("ludb")), 10):
        found = intervals(record.recording())
        for name, of in errors.items():
            value = getattr(found, f"{name}_ms")
            if value is not None and not np.isnan(getattr(reference, name)):
                of.append(abs(value - getattr(reference, name)))
    assert np.median(errors["pr"]) < 10
    assert np.median(errors["qrs"]) < 10
    assert np.median(errors["qt"]) < 20


def test_clinical_ecgs_have_the_heart_rate_that_was_counted_and_electrodes_in_their_places() -> None:
    noticed = 0
    for record in islice(ptbxl(folder("ptbxl")), 10):
        recording = record.recording()
        if record.name in HEART_RATES:
            assert rhythm(recording).heart_rate_bpm == pytest.approx(HEART_RATES[record.name], abs=2)
        checks = lead_checks(recording)
        assert checks.limb_leads_add_up
        noticed += bool(lead_checks(record.of_leads(swapped(record.leads)).recording()).arm_electrodes_swapped)
        assert not checks.arm_electrodes_swapped
    assert noticed >= 9
