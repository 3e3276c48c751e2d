"""The check of recordings finds every kind of fault in a recording, and reports none in a correct one."""

from typing import Any

import numpy as np
import pytest

from tests.faults.recordings import SAMPLING_RATE, Recording, Samples, incomplete, wrong
from tests.support.ecgs import crossings
from tests.support.single_pass import beats

TOTAL = 9000
RECORDING = Recording(1, "r", is_direct=True, total=TOTAL)
SAMPLES: Samples = RECORDING.samples(0, TOTAL)
BEATS, MINUTES = beats(RECORDING.leads(0, TOTAL), SAMPLING_RATE)
INSIGHTS: dict[str, Any] = {
    "final": True,
    "number_of_samples": TOTAL,
    "complete_until": TOTAL,
    "gaps": [],
    "revision": 0,
    "refused": {"number": 0, "latest": []},
    "leads": [{"number_of_zero_crossings": crossings(signal.tolist())} for signal in SAMPLES],
    "beats": BEATS,
}


def test_a_complete_and_right_recording_has_no_fault() -> None:
    assert (len(MINUTES), BEATS["number_of_beats"]) == (2, sum(len(minute["beats"]) for minute in MINUTES))
    assert BEATS["number_of_beats"] > 60
    assert incomplete(INSIGHTS, TOTAL) == ""
    assert wrong(RECORDING, INSIGHTS, MINUTES, SAMPLES) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("final", False),
        ("number_of_samples", TOTAL - 500),
        ("complete_until", TOTAL - 500),
        ("gaps", [[500, 500]]),
        ("revision", 1),
        ("refused", {"number": 1, "latest": ["first_sample: overlaps"]}),
    ],
)
def test_an_incomplete_recording_is_found(field: str, value: Any) -> None:
    assert incomplete(INSIGHTS | {field: value}, TOTAL) == f"{field} {value}"


def test_other_zero_crossings_beats_and_samples_are_found() -> None:
    one_more = [{"number_of_zero_crossings": lead["number_of_zero_crossings"] + 1} for lead in INSIGHTS["leads"]]
    assert wrong(RECORDING, INSIGHTS | {"leads": one_more}, MINUTES, SAMPLES) == ["zero crossings"]
    assert wrong(RECORDING, INSIGHTS, MINUTES[:1], SAMPLES) == ["beats"]
    one_less = [MINUTES[0] | {"beats": MINUTES[0]["beats"][1:]}, MINUTES[1]]
    assert wrong(RECORDING, INSIGHTS, one_less, SAMPLES) == ["beats"]
    assert wrong(RECORDING, INSIGHTS | {"beats": BEATS | {"number_of_beats": 1}}, MINUTES, SAMPLES) == ["beats"]
    assert wrong(RECORDING, INSIGHTS, MINUTES, SAMPLES[:, :-1]) == ["samples"]
    assert wrong(RECORDING, INSIGHTS, MINUTES, np.roll(SAMPLES, 1, axis=1)) == ["samples"]
