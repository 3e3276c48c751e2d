"""Every layout of the corpus, and every reported file, is read right or refused with its reason."""

from pathlib import Path

import pytest

from ecg_client.batch import distinct
from ecg_client.cli import options
from ecg_client.recordings import Calibration, UnreadableRecording, read
from tests.recordings.case import Case, ExpectedLead
from tests.recordings.corpus import CORPUS, name_of, write
from tests.recordings.reported_files import REPORTED, cases


@pytest.mark.parametrize("case", [*CORPUS, *cases()], ids=name_of)
def test_a_recording_is_read_right_or_refused_with_a_reason(tmp_path: Path, case: Case) -> None:
    path = write(case, tmp_path)
    calibration = Calibration(unit=case.unit, leads=case.wanted)
    if case.refusal is not None:
        with pytest.raises(UnreadableRecording) as error:
            read(path, calibration)
        assert str(error.value) == case.refusal
        return
    recording = read(path, calibration)
    found = tuple(
        ExpectedLead(lead.name, tuple(lead.signal.tolist()), lead.adc_gain, lead.missing) for lead in recording.leads
    )
    assert found == case.leads
    assert (recording.sampling_rate, recording.date) == (case.rate, case.date)
    assert recording.notes == case.notes


def test_the_scale_1_rounds_microvolts() -> None:
    path = REPORTED / "15-cli-scale-1" / "uv_float.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    [lead] = read(path, options.calibration(0, 1, None, 1000, "", "")).leads
    assert (lead.name, lead.signal.tolist(), lead.adc_gain) == ("ECG", [12, -5, 8, -3], 1000)


def test_segments_and_annotations_are_parts_of_their_record(tmp_path: Path) -> None:
    for case in CORPUS:
        if case.name in ("segments of a fixed layout, with a gap", "annotations and other files beside a record"):
            write(case, tmp_path)
    (tmp_path / "notes.doc").touch()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in distinct(files)] == ["m.hea", "notes.doc"]


def test_no_two_cases_have_the_same_name() -> None:
    assert len({name_of(case) for case in CORPUS}) == len(CORPUS)
