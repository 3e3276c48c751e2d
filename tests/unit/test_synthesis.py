"""The synthetic ECG of the demo."""

import numpy as np

from ecg_client.synthesis import synthesise

LEADS = synthesise()


def test_it_is_a_12_lead_ecg_of_ten_seconds_at_500_hz() -> None:
    assert list(LEADS) == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert {(signal.dtype.name, signal.shape) for signal in LEADS.values()} == {("int16", (5000,))}


def test_the_limb_leads_obey_einthoven_and_goldberger_up_to_rounding() -> None:
    one, two = LEADS["I"].astype(float), LEADS["II"].astype(float)
    expected = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    for name, signal in expected.items():
        assert np.abs(LEADS[name] - signal).max() <= 1.5


def test_the_heart_rate_is_as_requested() -> None:
    for rate in (50, 68, 120):
        signal = synthesise(60, rate)["II"]
        high = signal > 600
        beats = int(np.count_nonzero(high[1:] & ~high[:-1]))
        assert abs(beats - rate) <= 3


def test_the_same_seed_gives_the_same_ecg() -> None:
    assert all(np.array_equal(signal, LEADS[name]) for name, signal in synthesise().items())
    assert not np.array_equal(synthesise(seed=1)["I"], LEADS["I"])
