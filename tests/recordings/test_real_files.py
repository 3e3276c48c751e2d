"""Real files, if they are at hand, compared with another library or another format of the same ECG."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_client.recordings import read
from tests.support.paths import RECORDINGS

_TWELVE = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def real(name: str) -> Path:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"no {name} in {RECORDINGS}")
    return path


@pytest.mark.parametrize("folder", ["", "mitdb", "nstdb", "ludb", "ptbxl"])
def test_wfdb_records_are_read_as_by_the_package_wfdb(folder: str) -> None:
    headers = sorted(real(folder or "100.hea").parent.glob("*.hea") if not folder else real(folder).glob("*.hea"))
    for header in headers[:10]:
        record = str(header.with_suffix(""))
        files = wfdb.rdheader(record).file_name
        present = [i for i, file in enumerate(files) if (header.parent / file).exists()]
        expected = wfdb.rdrecord(record, physical=False, channels=present)
        recording = read(header)
        assert [lead.name for lead in recording.leads] == expected.sig_name
        assert recording.sampling_rate == expected.fs
        for i, lead in enumerate(recording.leads):
            stored = expected.d_signal[:, i].astype(np.int64) - expected.baseline[i]
            for first, count in lead.missing:
                stored[first : first + count] = 0
            np.testing.assert_array_equal(lead.signal, stored)


def test_an_ishne_file_equals_the_record_that_it_was_made_from() -> None:
    made, original = read(real("formats/ishne_made_from_mitdb100.ecg")), read(real("100.hea"))
    assert made.sampling_rate == original.sampling_rate
    for lead, same in zip(made.leads, original.leads, strict=True):
        assert lead.adc_gain == same.adc_gain
        np.testing.assert_array_equal(lead.signal, same.signal[: lead.signal.size])


@pytest.mark.parametrize(
    "name",
    [
        "aecg_hl7_example.xml",
        "dicom_12lead_pydicom.dcm",
        "dicom_arturrod.dcm",
        "philips_sierra_1_03.xml",
        "philips_sierra_1_04.xml",
        "philips_sierra_1_04_01.xml",
    ],
)
def test_einthovens_law_holds_in_files_of_twelve_leads(name: str) -> None:
    recording = read(real(f"formats/{name}"))
    assert [lead.name for lead in recording.leads] == _TWELVE
    # Ten seconds; the second after them may be the pulse of a millivolt that shows the gain.
    ten = round(10 * (recording.sampling_rate or 0))
    leads = {lead.name: lead.signal[:ten].astype(np.int64) for lead in recording.leads}
    # Devices round, and may filter each lead by itself.
    assert np.abs(leads["I"] + leads["III"] - leads["II"]).max() <= 8


def test_an_scp_ecg_file_has_the_leads_that_it_names() -> None:
    recording = read(real("formats/scp_anon_abtahi.scp"))
    assert [lead.name for lead in recording.leads] == ["I", "II", "V3R", "V1", "V2", "V4", "V6", "V7"]
    assert (recording.sampling_rate, {lead.signal.size for lead in recording.leads}) == (600, {6000})
