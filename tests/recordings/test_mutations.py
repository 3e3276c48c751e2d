"""Damaged files of every format are read, or refused with a reason; never is there a traceback."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_client.recordings import Calibration
from tests.recordings.corpus import CORPUS
from tests.recordings.mutations import mutated
from tests.recordings.readers import READERS, try_files

# Many more by hand: ECG_HOSTILE_EXAMPLES=100000
EXAMPLES = int(os.environ.get("ECG_HOSTILE_EXAMPLES", "150"))
thorough = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

_SUFFIXES = sorted({case.main.removesuffix(".gz").rpartition(".")[2] for case in CORPUS})


@pytest.mark.parametrize("suffix", _SUFFIXES)
@thorough
@given(st.data())
def test_a_mutated_file_is_read_or_refused(suffix: str, data: st.DataObject) -> None:
    cases = [case for case in CORPUS if case.main.removesuffix(".gz").endswith(f".{suffix}")]
    case = data.draw(st.sampled_from(cases))
    files = mutated(case, data.draw(st.integers(0, 2**32)))
    try_files(files, Calibration(unit=case.unit, leads=case.wanted))


@pytest.mark.parametrize("suffix", READERS)
@thorough
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(suffix: str, content: bytes) -> None:
    READERS[suffix](content)
