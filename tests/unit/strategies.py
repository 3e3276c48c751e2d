"""ECGs for property tests."""

import numpy as np
from hypothesis import strategies as st

from shared.ecg import Ecg, Lead, narrow

_INT64 = st.integers(-(2**63), 2**63 - 1)
_text = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=20)
_signals = st.lists(_INT64 | st.integers(-3, 3), max_size=40) | st.lists(st.integers(-200, 200), max_size=40)
_gains = st.none() | st.floats(0, exclude_min=True, allow_infinity=False)


def _lead(name: str, signal: list[int], gain: float | None, edges: list[int]) -> Lead:
    """Return a lead whose samples are missing, and 0, between every other pair of edges."""
    inside = sorted({edge for edge in edges if edge <= len(signal)})
    missing = tuple((first, end - first) for first, end in zip(inside[::2], inside[1::2], strict=False))
    for first, count in missing:
        signal[first : first + count] = [0] * count
    return Lead(name, narrow(np.array(signal, np.int64)), gain, missing)


_leads = st.builds(_lead, _text, _signals, _gains, st.lists(st.integers(0, 40), max_size=4))
ecgs = st.builds(
    Ecg,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,20}", fullmatch=True),
    _text,
    st.none() | st.datetimes().map(lambda moment: moment.isoformat()),
    st.lists(_leads, min_size=1, max_size=5).map(tuple),
    st.none() | st.floats(0, 1e6, exclude_min=True),
    st.none() | _text,
)


def same(one: Ecg, other: Ecg) -> bool:
    """Return True if two ECGs are equal, including every sample and the width of the samples."""
    return (
        (one.id, one.username, one.date, one.sampling_rate, one.label)
        == (other.id, other.username, other.date, other.sampling_rate, other.label)
        and [(lead.name, lead.adc_gain, lead.missing) for lead in one.leads]
        == [(lead.name, lead.adc_gain, lead.missing) for lead in other.leads]
        and all(
            a.signal.dtype == b.signal.dtype and np.array_equal(a.signal, b.signal)
            for a, b in zip(one.leads, other.leads, strict=True)
        )
    )
