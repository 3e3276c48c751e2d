"""The heart rate at the end of synthetic ECGs whose beats are known."""

import numpy as np
import pytest

from stream_agents.insights.last_beats import last_beats
from tests.unit.heartbeats import recording, regular, signals


def test_the_rate_is_that_of_the_last_ten_beats() -> None:
    onsets = np.concatenate((np.arange(0.6, 8, 0.6), np.arange(8.8, 20, 1.0)))
    found = last_beats(recording(signals(onsets, 500, 21), 500))
    assert found.last_heart_rate_bpm == pytest.approx(60, abs=0.5)


def test_nine_beats_are_too_few() -> None:
    found = last_beats(recording(signals(regular(0.8, 8), 500, 8), 500))
    assert found.last_heart_rate_bpm is None
    assert found.absent == {"last_heart_rate_bpm": "fewer than 10 beats"}
