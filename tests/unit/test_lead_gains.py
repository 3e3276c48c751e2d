"""No insight depends on the gain, the sign or the offset of single leads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ecg import Ecg, Lead
from stream_agents.insights import INSIGHTS
from stream_agents.insights.computation import compute
from tests.support.heartbeats import NAMES, Heart, digitised, regular, signals

RATE, SECONDS, GAIN = 500.0, 10.0, 1000
FACTORS = st.integers(1, 1000) | st.integers(1000, GAIN**2)
OFFSETS = st.just(0) | st.integers(-(2**50), 2**50)
ECGS = {
    "sound": signals(regular(0.9, SECONDS), RATE, SECONDS),
    "noisy": signals(regular(0.8, SECONDS), RATE, SECONDS, noise_mv=0.06)
    * np.linspace(1, 0.2, len(NAMES)).reshape(-1, 1),
    "wide, without P": signals(regular(1.1, SECONDS), RATE, SECONDS, Heart(qrs=0.14, p=0), noise_mv=0.02),
}
INTEGERS = {name: digitised(values, GAIN) for name, values in ECGS.items()}
_CHOSEN = [insight for name, insight in INSIGHTS.items() if name != "number_of_zero_crossings"]
# These are about the signs of leads.
SIGNED = {"qrs_axis_deg", "qrs_axis_spread_deg", "limb_leads_add_up", "limb_lead_error_mv"} | {
    "arm_electrodes_swapped",
    "arm_electrodes_score",
}


def _results(rows: Iterable[NDArray[np.int64]], gains: Sequence[float | None]) -> Mapping[str, Any]:
    leads = tuple(Lead(name, row, gain) for name, row, gain in zip(NAMES, rows, gains, strict=True))
    found = compute(Ecg("e", "u", None, leads, RATE), _CHOSEN)
    assert not found.failures
    return {name: msgspec.json.decode(result) for name, result in found.of_ecg.items()} | {
        f"{name}, {lead}": msgspec.json.decode(result)
        for name, results in found.of_leads.items()
        for lead, result in zip(NAMES, results, strict=True)
    }


def _same(found: Any, expected: Any, path: str, left_out: Iterable[str] = ()) -> None:
    if isinstance(expected, dict):
        assert found.keys() - left_out == expected.keys() - left_out, path
        for name in expected.keys() - left_out:
            _same(found[name], expected[name], f"{path}.{name}", left_out)
    elif isinstance(expected, float):
        # Within the rounding of results.
        assert found == pytest.approx(expected, abs=0.11, rel=0.002), path
    else:
        assert found == expected, path


@given(
    name=st.sampled_from(sorted(ECGS)),
    factors=st.dictionaries(st.integers(0, 11), st.tuples(FACTORS, OFFSETS), min_size=1),
    with_gains=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_gain_and_offset_of_single_leads_change_nothing(
    name: str, factors: dict[int, tuple[int, int]], *, with_gains: bool
) -> None:
    rows = [GAIN * row for row in INTEGERS[name]]
    gains: list[float | None] = [float(GAIN * GAIN) if with_gains else None] * len(NAMES)
    expected = _results(rows, gains)
    for lead, (factor, offset) in factors.items():
        rows[lead] = factor * INTEGERS[name][lead] + offset
        gains[lead] = float(GAIN * factor) if with_gains else None
    _same(_results(rows, gains), expected, name)


@given(
    name=st.sampled_from(sorted(ECGS)),
    factors=st.dictionaries(st.integers(0, 11), FACTORS, min_size=1),
)
@settings(max_examples=25, deadline=None)
def test_the_sign_of_single_leads_changes_nothing_but_axis_and_checks(name: str, factors: dict[int, int]) -> None:
    rows = [GAIN * row for row in INTEGERS[name]]
    gains: list[float | None] = [None] * len(NAMES)
    expected = _results(rows, gains)
    for lead, factor in factors.items():
        rows[lead] = -factor * INTEGERS[name][lead]
    _same(_results(rows, gains), expected, name, SIGNED)
