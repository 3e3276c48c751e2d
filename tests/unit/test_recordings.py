"""Readers of recordings: samples of every format, with zero at the isoelectric line."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import orjson
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecg_client.batch import label_of
from ecg_client.recordings import Calibration, Recording, UnreadableRecording, find, read
from ecg_client.requests import encode
from shared.ecg import Ecg
from shared.encoding import plain
from tests.support.paths import recordings
from tests.unit.strategies import ecgs, same

WHEN = datetime.datetime(2026, 11, 24, 10, 30)
ONE, OTHER = np.array([0, 5, -5, 100]), np.array([7, 0, -7, -100])


def samples(recording: Recording) -> list[tuple[str, list[int]]]:
    return [(lead.name, lead.signal.tolist()) for lead in recording.leads]


def scales(recording: Recording) -> tuple[float | None, list[float | None]]:
    return recording.sampling_rate, [lead.adc_gain for lead in recording.leads]


EXPECTED = [("I", ONE.tolist()), ("II", OTHER.tolist())]


def write_record(directory: Path, baselines: tuple[int, int] = (1024, -3)) -> Path:
    """Write a WFDB record of the two leads, each with its own baseline."""
    digital = np.stack([ONE + baselines[0], OTHER + baselines[1]], axis=1)
    wfdb.wrsamp(
        "rec",
        fs=500,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        d_signal=digital,
        fmt=["16", "16"],
        adc_gain=[200.0, 200.0],
        baseline=list(baselines),
        base_date=WHEN.date(),
        base_time=WHEN.time(),
        write_dir=str(directory),
    )
    return directory / "rec"


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_wfdb_record_is_read_by_any_of_its_names_and_its_baselines_are_subtracted(
    tmp_path: Path, suffix: str
) -> None:
    record = write_record(tmp_path)
    path = record.with_name(f"rec{suffix}")
    assert find(path).path == tmp_path / "rec.hea"
    recording = read(path)
    assert samples(recording) == EXPECTED
    assert recording.date == WHEN.isoformat()
    assert scales(recording) == (500, [200, 200])


@pytest.mark.parametrize(("unit", "gain"), [("uV", 200_000), ("V", 0.2), ("mmHg", None)])
def test_the_gain_of_a_record_is_that_of_a_millivolt(tmp_path: Path, unit: str, gain: float | None) -> None:
    header = write_record(tmp_path).with_suffix(".hea")
    assert "/mV" in header.read_text()
    header.write_text(header.read_text().replace("/mV", f"/{unit}"))
    assert scales(read(header)) == (500, [gain, gain])


def test_missing_samples_and_channels_of_a_record_are_told(tmp_path: Path) -> None:
    record = write_record(tmp_path)
    stored = np.fromfile(record.with_suffix(".dat"), "<i2").reshape(-1, 2)
    stored[1, 0] = -(2**15)
    stored.tofile(record.with_suffix(".dat"))
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace("rec 2 ", "rec 3 ") + "gone.dat 16 200 16 0 0 0 0 vx\n")
    recording = read(record)
    assert samples(recording) == [("I", [0, 0, -5, 100]), EXPECTED[1]]
    assert recording.notes == ("left out, because their file is missing: vx", "I: 1 missing samples became 0")


def edf(signals: list[tuple[str, NDArray[Any], tuple[float, float]]], kind: str = "edf") -> "edfio.Edf | edfio.Bdf":
    """Return an EDF or BDF file of digital signals, given with their labels and physical ranges."""
    if kind == "bdf":
        return edfio.Bdf(
            [
                edfio.BdfSignal.from_digital(
                    s.astype(np.int32),
                    4,
                    label=n,
                    physical_dimension="uV",
                    physical_range=r,
                    digital_range=(-1000, 1000),
                )
                for n, s, r in signals
            ],
            starttime=WHEN.time(),
            recording=edfio.Recording(startdate=WHEN.date()),
        )
    return edfio.Edf(
        [
            edfio.EdfSignal.from_digital(
                s.astype(np.int16), 4, label=n, physical_dimension="uV", physical_range=r, digital_range=(-1000, 1000)
            )
            for n, s, r in signals
        ],
        starttime=WHEN.time(),
        recording=edfio.Recording(startdate=WHEN.date()),
    )


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_edf_and_bdf_samples_are_about_the_digital_value_of_zero_volts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"night.{kind}"
    # With -500 to 1500 uV stored as -1000 to 1000, zero volts are stored as -500.
    edf([("I", ONE, (-1000, 1000)), ("II", OTHER - 500, (-500, 1500))], kind).write(path)
    recording = read(path)
    assert samples(recording) == EXPECTED
    assert recording.date == WHEN.isoformat()
    # One digital unit is a microvolt.
    assert scales(recording) == (4, [1000, 1000])


def test_leads_of_different_rates_have_none_in_common(tmp_path: Path) -> None:
    signals = [edfio.EdfSignal.from_digital(ONE.astype(np.int16)[:n], n, label="ECG") for n in (4, 2)]
    edfio.Edf(signals, data_record_duration=1).write(tmp_path / "x.edf")
    recording = read(tmp_path / "x.edf", Calibration(adc_gain=3))
    # Their unit is not a voltage either, so that the given gain is used.
    assert scales(recording) == (None, [3, 3])
    assert recording.notes[-1] == "its leads have different sampling rates, so none is sent: ECG: 4 Hz, ECG: 2 Hz"


def test_only_ecgs_of_an_edf_file_that_says_which_they_are_become_leads(tmp_path: Path) -> None:
    path = tmp_path / "sleep.EDF"
    labels = ("EEG C3", "ECG I", "EKG II", "ECG 3", "ekg")
    file = edf([(label, ONE, (-1000, 1000)) for label in labels])
    assert isinstance(file, edfio.Edf)
    file.add_annotations([edfio.EdfAnnotation(0.0, None, "beat")])
    file.write(path)
    recording = read(path)
    assert samples(recording) == [(name, ONE.tolist()) for name in ("I", "II", "ECG 3", "ekg")]
    assert recording.notes == ("left out, because they are not ECG leads: EEG C3",)


def test_an_edf_file_that_is_cut_short_is_read_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.edf"
    long = edfio.EdfSignal.from_digital(np.arange(8, dtype=np.int16), 4, label="I")
    edfio.Edf([long], data_record_duration=1).write(path)
    path.write_bytes(path.read_bytes()[:-8])
    recording = read(path)
    assert samples(recording) == [("I", [0, 1, 2, 3])]
    assert "header" in recording.notes[0]


def test_an_anonymised_edf_file_has_no_date(tmp_path: Path) -> None:
    file = edf([("I", ONE, (-1000, 1000))])
    file.anonymize()
    file.write(tmp_path / "x.edf")
    assert read(tmp_path / "x.edf").date is None


def test_a_csv_file_has_a_column_for_each_lead(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        '"time (s)",I,"II"\n' + "".join(f"{i / 500},{a},{b}\n" for i, (a, b) in enumerate(zip(ONE, OTHER, strict=True)))
    )
    recording = read(path)
    assert samples(recording) == EXPECTED
    assert recording.notes == ("left out, because it is a clock: time [s]; its sampling rate is 500 Hz",)
    assert recording.sampling_rate == 500
    path.write_text("\ufeff9223372036854775807,1\n-9223372036854775808,-2\n", encoding="utf-8")
    assert samples(read(path)) == [("lead 1", [2**63 - 1, -(2**63)]), ("lead 2", [1, -2])]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("I,II\n1,2\n3,secret\n", "line 3, column 2: must be a number"),
        ("I,II\n1,2\n3\n", "line 3: has 1 columns, and those before have 2"),
        ("I,II\n1,\n", "line 2, column 2: is empty: write nan where a sample is missing"),
        (
            "I\n1,2,3\n",
            "line 1 names 1 columns, and line 2 has 3; if its commas are decimal marks, "
            "separate columns with semicolons or tabs",
        ),
        ("I,II\n", "has no samples"),
        ("", "has no samples"),
        ("I\n0.5\n", "I: must hold integers; fractions, such as millivolts, need a unit or a scale"),
        ("I\n1e30\n", "I: must hold integers of 64 bits"),
        (" ,II\n1,2\n", "leads[0].name: must be 1 to 128 printable characters"),
    ],
)
def test_a_broken_csv_file_is_told_by_line_and_column_and_never_by_value(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UnreadableRecording) as error:
        read(tmp_path / "x.csv")
    assert str(error.value) == problem


def test_bare_numbers_are_calibrated(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("I\n1024\n1024.5\nnan\n1023.5\n")
    recording = read(tmp_path / "x.csv", Calibration(baseline=1024, scale=1000))
    assert recording.notes == ("I: 1 missing samples became 0",)
    assert samples(recording) == [("I", [0, 500, 0, -500])]
    assert scales(recording) == (None, [None])


def test_what_a_file_does_not_say_is_told_beside_it(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("I\n1\n")
    told = Calibration(sampling_rate=250, adc_gain=1000)
    assert scales(read(tmp_path / "x.csv", told)) == (250, [1000])
    assert scales(read(write_record(tmp_path), told)) == (500, [200, 200])
    with pytest.raises(UnreadableRecording, match=r"^sampling_rate: must be"):
        read(tmp_path / "x.csv", Calibration(sampling_rate=-1))
    with pytest.raises(UnreadableRecording, match=r"^leads\[0\].adc_gain: must be"):
        read(tmp_path / "x.csv", Calibration(adc_gain=0))


@pytest.mark.parametrize("order", ["leads first", "samples first", "structured", "archive", "archive of one"])
def test_numpy_arrays_are_leads_along_their_shorter_axis_or_by_name(tmp_path: Path, order: str) -> None:
    names, path = ["lead 1", "lead 2"], tmp_path / "x.npy"
    both = np.stack([ONE, OTHER])
    if order == "leads first":
        np.save(path, both.astype(">i2"))
    elif order == "samples first":
        np.save(path, both.T.astype(np.float32))
    elif order == "structured":
        names = ["I", "II"]
        np.save(path, np.array(list(zip(ONE, OTHER, strict=True)), [("I", "i4"), ("II", "i8")]))
    elif order == "archive":
        names, path = ["I", "II"], tmp_path / "x.npz"
        np.savez_compressed(path, I=ONE, II=OTHER)
    else:
        path = tmp_path / "x.npz"
        np.savez(path, both)
    assert samples(read(path)) == list(zip(names, [ONE.tolist(), OTHER.tolist()], strict=True))


@pytest.mark.parametrize("order", ["columns", "structured", "archive"])
def test_clocks_in_numpy_files_are_no_leads_but_give_the_rate(tmp_path: Path, order: str) -> None:
    path, name, clock = tmp_path / "x.npy", "I", "t"
    times = np.arange(4) / 250
    one = np.array([5, -5, 6, -6])
    if order == "columns":
        name, clock = "lead 1", "column 1"
        np.save(path, np.stack([times, one]).T)
    elif order == "structured":
        np.save(path, np.array(list(zip(times, one, strict=True)), [("t", "f8"), ("I", "i4")]))
    else:
        path = tmp_path / "x.npz"
        np.savez(path, t=times, I=one)
    recording = read(path)
    assert samples(recording) == [(name, one.tolist())]
    assert recording.sampling_rate == 250
    assert recording.notes == (
        f"left out, because it is a clock: {clock}; its sampling rate is 250 Hz, read as seconds: "
        "no other unit gives the rate of an ECG",
    )


def test_numpy_names_may_state_a_unit(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", I_uV=ONE, II=OTHER)
    first, second = read(tmp_path / "x.npz", Calibration(unit="mV")).leads
    assert [(lead.name, lead.adc_gain) for lead in (first, second)] == [("I", 1000), ("II", 1)]


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((2, 2, 2)), "must be an array of leads and samples, not an array of shape (2, 2, 2)"),
        (np.array([2**63], np.uint64), "lead 1: must hold integers of 64 bits"),
        (np.array([0.5]), "lead 1: must hold integers; fractions, such as millivolts, need a unit or a scale"),
        (np.array(["1"]), "lead 1: must hold numbers"),
        (np.array([np.inf]), "lead 1: must hold integers of 64 bits"),
        (np.array([True]), "lead 1: must hold numbers"),
        (np.zeros((0, 3)), "has no samples"),
        (np.zeros((1025, 2000), np.int8), "leads: must hold 1 to 1024 leads, not 1025"),
    ],
)
def test_arrays_that_are_no_leads_are_told(tmp_path: Path, array: NDArray[Any], problem: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UnreadableRecording) as error:
        read(tmp_path / "x.npy")
    assert str(error.value) == problem


def test_a_json_file_is_a_submission(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(orjson.dumps({"date": "2026-11-24", "leads": [{"name": "I", "signal": [1, -1]}]}))
    recording = read(path)
    assert (samples(recording), recording.date) == ([("I", [1, -1])], "2026-11-24")
    path.write_bytes(b'{"leads": [{"name": "I", "signal": [1, 0.5]}]}')
    with pytest.raises(
        UnreadableRecording,
        match=r"^leads\[0\].signal: must hold integers only: multiply fractions, and send adc_gain$",
    ):
        read(path)


@pytest.mark.parametrize("suffix", ["hea", "edf", "bdf", "csv", "npy", "npz", "json"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00 777 nothing of the kind", b"[1, 2"])
def test_a_broken_file_is_told_whatever_its_format(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnreadableRecording) as error:
        read(path)
    assert "777" not in str(error.value)


def test_an_unknown_format_and_a_missing_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.xml").touch()
    with pytest.raises(UnreadableRecording, match="its format is unknown"):
        read(tmp_path / "x.xml")
    with pytest.raises(UnreadableRecording, match="there is no such file or WFDB record"):
        read(tmp_path / "y")
    with pytest.raises(UnreadableRecording, match="is a directory"):
        read(tmp_path)
    with pytest.raises(UnreadableRecording, match="is a directory"):
        read(".")


def test_readers_may_run_in_threads(tmp_path: Path) -> None:
    record, table = write_record(tmp_path), tmp_path / "x.csv"
    table.write_text("".join(f"{a}.0,{b}\n" for a, b in zip(ONE, OTHER, strict=True)))
    with ThreadPoolExecutor(4) as threads:
        for recording in threads.map(read, [record, table] * 20):
            assert [signal for _, signal in samples(recording)] == [ONE.tolist(), OTHER.tolist()]


def test_real_recordings_are_about_zero() -> None:
    for path in recordings():
        recording = read(path)
        # In spite of their baselines, half of all samples are within 1000 units of zero (200 to 2000 units are 1 mV).
        assert all(np.median(np.abs(lead.signal)) < 1000 for lead in recording.leads)
    assert [lead.name for lead in read(recordings()[0]).leads] == ["MLII", "V5"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("night 1.edf", "night 1.edf"),
        ("x" * 300 + ".edf", "x" * 200),
        ("d\u00e9rivation.edf", "d\u00e9rivation.edf"),
        # How Python names a file whose name is not UTF-8.
        ("d\udce9rivation.edf", "d\ufffdrivation.edf"),
        ("two\nlines.edf", None),
        (" ", None),
    ],
)
def test_a_files_name_is_a_label_if_it_meets_the_schema(name: str, label: str | None) -> None:
    assert label_of(name) == label
    encode(Recording.of({"I": [1]}, label=label_of(name)))


@given(ecgs)
def test_the_gateway_reads_what_the_client_writes(ecg: Any) -> None:
    recording = Recording(ecg.leads, ecg.date, sampling_rate=ecg.sampling_rate, label=ecg.label)
    assert same(Ecg.of(ecg.id, ecg.username, plain.decode_content(encode(recording))), ecg)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_samples_are_taken_as_they_are(signal: list[int]) -> None:
    assert samples(Recording.of([("I", np.array(signal, np.int64)), ("I", signal)])) == [("I", signal), ("I", signal)]


def test_python_numbers_beyond_64_bits_and_none_of_them_are_refused() -> None:
    for bad in ([2**63], [-(2**63) - 1], [2**64], ["a"], [0.5], [[1]]):
        with pytest.raises(UnreadableRecording):
            Recording.of({"I": bad})
