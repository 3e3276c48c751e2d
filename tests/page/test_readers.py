"""The page's readers of recordings make the same submissions as the Python client's, byte for byte."""

import base64
import datetime
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import orjson
import pytest
import wfdb
from numpy.typing import NDArray

from ecg_client.idempotency import idempotency_key
from ecg_client.recordings import Calibration, UnreadableRecording, read
from ecg_client.requests import encode
from tests.page.packed_bodies import is_packed_alike
from tests.page.tab import READ, Tab
from tests.support.paths import recordings

ADC = {"unit": "adc", "samplingRate": None}
RANDOM = np.random.default_rng(11)


async def read_in(tab: Tab, *paths: Path, csv: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    files = [{"name": path.name, "content": base64.b64encode(path.read_bytes()).decode()} for path in paths]
    return list(await tab.run(READ, {"files": files, "csv": csv or ADC}))


async def check_same(tab: Tab, main: Path, *others: Path) -> dict[str, Any]:
    """Check that both readers make the same submission of a file with the same key; return the page's result."""
    expected = read(main)
    [found] = await read_in(tab, main, *others)
    assert "error" not in found, found
    assert found["body"].encode() == encode(expected)
    assert is_packed_alike(found["packed"], expected)
    assert found["key"] == idempotency_key(expected)
    return found


async def test_real_records_are_read_alike(modules: Tab) -> None:
    for record in recordings():
        found = await check_same(modules, record.with_suffix(".hea"), record.with_suffix(".dat"))
        assert bool(found["notes"]) == (record.name == "s0010_re")


@pytest.mark.parametrize("code", ["16", "24", "32", "61", "80", "160", "212"])
async def test_storage_formats_of_wfdb_are_read_alike(modules: Tab, tmp_path: Path, code: str) -> None:
    # Formats that wfdb reads but does not write are converted from format 16.
    written = "16" if code in ("61", "160", "212") else code
    bits = {"24": 24, "32": 31, "80": 8, "212": 12}.get(code, 16)
    signal = RANDOM.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1, (101, 3))
    wfdb.wrsamp(
        "rec",
        fs=250,
        units=["mV", "uV", "NU"],
        sig_name=["MLII", "lead II", "resp"],
        d_signal=signal,
        fmt=[written] * 3,
        adc_gain=[200.0, 0.5, 10.0],
        baseline=[10, -20, 0],
        base_date=datetime.date(2026, 11, 24),
        base_time=datetime.time(9, 5, 7, 250000),
        write_dir=str(tmp_path),
    )
    if written != code:
        header, stored = tmp_path / "rec.hea", np.fromfile(tmp_path / "rec.dat", "<i2")
        header.write_text(header.read_text().replace("rec.dat 16", f"rec.dat {code}"))
        (tmp_path / "rec.dat").write_bytes(stored_as(code, stored))
    await check_same(modules, tmp_path / "rec.hea", tmp_path / "rec.dat")


def stored_as(code: str, samples: NDArray[np.int16]) -> bytes:
    """Encode samples in a WFDB format (signal(5) of the WFDB documentation)."""
    if code == "61":
        return samples.astype(">i2").tobytes()
    if code == "160":
        return (samples.astype(np.int32) + 2**15).astype("<u2").tobytes()
    first, second = (np.append(samples, 0)[: len(samples) // 2 * 2 + 2].reshape(-1, 2).T & 0xFFF).astype(np.uint16)
    packed = np.stack([first & 0xFF, (first >> 8) | (second >> 8 << 4), second & 0xFF], axis=1).astype(np.uint8)
    return packed.tobytes()


async def test_missing_samples_of_a_record_are_reported_alike(modules: Tab, tmp_path: Path) -> None:
    (tmp_path / "rec.hea").write_text("rec 2 100 3\nrec.dat 16 100 16 7 0 0 0 I\nrec.dat 16 0 16 0 0 0 0 II\n")
    np.array([[1, 2], [-(2**15), 4], [5, 6]], "<i2").tofile(tmp_path / "rec.dat")
    found = await check_same(modules, tmp_path / "rec.hea", tmp_path / "rec.dat")
    assert found["notes"] == [
        "II: is not calibrated, so its gain is left out",
        "I: 1 missing samples became 0",
    ]


def edf_signals(kind: str, labels: tuple[str, ...], unit: str = "uV") -> list[Any]:
    signal_class, dtype, reach = (
        (edfio.BdfSignal, np.int32, 2**23) if kind == "bdf" else (edfio.EdfSignal, np.int16, 2**15)
    )
    return [
        signal_class.from_digital(
            RANDOM.integers(-reach, reach, 500).astype(dtype),
            250,
            label=label,
            physical_dimension=unit,
            physical_range=(-3000.5, 3300),
            digital_range=(-reach, reach - 1),
        )
        for label in labels
    ]


@pytest.mark.parametrize("kind", ["edf", "bdf"])
@pytest.mark.parametrize("annotated", [False, True])
@pytest.mark.parametrize("unit", ["uV", "mV", ""])
async def test_edf_and_bdf_files_are_read_alike(
    modules: Tab, tmp_path: Path, kind: str, annotated: bool, unit: str
) -> None:
    file_class = edfio.Bdf if kind == "bdf" else edfio.Edf
    labels = ("EEG C3", "ECG I", "EKG II", "ECG")
    file: Any = file_class(
        edf_signals(kind, labels, unit),
        recording=edfio.Recording(startdate=datetime.date(2026, 11, 24)),
        starttime=datetime.time(10, 30, 1),
        data_record_duration=1,
    )
    if annotated:
        file.add_annotations([edfio.EdfAnnotation(0.5, None, "beat")])
        file.starttime = datetime.time(10, 30, 1, 250000)
    path = tmp_path / f"sleep.{kind}"
    file.write(path)
    found = await check_same(modules, path)
    without_unit = [] if unit else [f"{label}: has no unit, so its gain is left out" for label in labels[1:]]
    assert found["notes"] == ["left out, because they are not ECG leads: EEG C3", *without_unit]


async def test_edf_files_that_are_cut_short_or_anonymised_are_read_alike(modules: Tab, tmp_path: Path) -> None:
    file = edfio.Edf(edf_signals("edf", ("I", "II")), data_record_duration=1)
    file.write(tmp_path / "whole.edf")
    content = (tmp_path / "whole.edf").read_bytes()
    (tmp_path / "cut.edf").write_bytes(content[:-600])
    found = await check_same(modules, tmp_path / "cut.edf")
    assert "header" in found["notes"][0]
    file.anonymize()
    file.write(tmp_path / "nobody.edf")
    assert orjson.loads((await check_same(modules, tmp_path / "nobody.edf"))["body"])["date"] is None


async def test_gaps_of_an_edf_file_are_missing_samples_in_both(modules: Tab, tmp_path: Path) -> None:
    file = edfio.Edf(edf_signals("edf", ("I",)), annotations=(), data_record_duration=1)
    file.write(tmp_path / "x.edf")
    content = (tmp_path / "x.edf").read_bytes().replace(b"EDF+C", b"EDF+D").replace(b"+1\x14\x14", b"+5\x14\x14")
    (tmp_path / "x.edf").write_bytes(content)
    found = await check_same(modules, tmp_path / "x.edf")
    assert found["notes"] == ["I: 1000 missing samples became 0"]


async def errors_of(tab: Tab, path: Path) -> str:
    """Return the page's error for a file that the client must refuse too."""
    with pytest.raises(UnreadableRecording):
        read(path)
    [found] = await read_in(tab, path)
    assert found.get("kind") == "UnreadableRecording", found
    return str(found["error"])


@pytest.mark.parametrize(
    "text",
    [
        "I,II\n1,2\n-3,4\n",
        '"time (s)",I,"II"\n0,1,2\n0.5,3,4\n',
        "\ufeff9223372036854775807,1\n-9223372036854775808,-2\n",
        "I\r\n1.0\r\n\r\nnan\r\n-2e3\r\n",
        "# a comment\n1\n2\n",
        '"V1, chest",II\n1,2\n',
    ],
)
async def test_csv_files_are_read_alike(modules: Tab, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode())
    await check_same(modules, tmp_path / "x.csv")


@pytest.mark.parametrize(
    "text",
    [
        "I,II\n1,2\n3,secret\n",
        "I,II\n1,2\n3\n",
        "I,II\n1,\n",
        "I\n1,2,3\n",
        "1,2\n3,4\n",
        "I,II\n",
        "",
        "I\n1e30\n",
        " ,II\n1,2\n",
    ],
)
async def test_broken_csv_files_are_reported_alike(modules: Tab, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UnreadableRecording) as error:
        read(tmp_path / "x.csv")
    assert await errors_of(modules, tmp_path / "x.csv") == str(error.value)


@pytest.mark.parametrize(("unit", "named", "gain"), [("mv", "mV", 10_000), ("uv", "uV", 1_000_000)])
async def test_no_decimals_of_millivolts_and_microvolts_are_lost(
    modules: Tab, tmp_path: Path, unit: str, named: str, gain: float
) -> None:
    (tmp_path / "x.csv").write_text("I\n0.012\n-1.05\n0.00" + ("05" if unit == "mv" else "5") + "\nnan\n")
    [found] = await read_in(modules, tmp_path / "x.csv", csv={"unit": unit, "samplingRate": 250})
    expected = read(tmp_path / "x.csv", Calibration(unit=named, sampling_rate=250))
    assert found["body"].encode() == encode(expected)
    assert tuple(found["notes"]) == expected.notes
    assert expected.leads[0].adc_gain == gain
    assert "fractions" in await errors_of(modules, tmp_path / "x.csv")


@pytest.mark.parametrize(
    "document",
    [
        {"leads": [{"name": "I", "signal": [1, -1]}]},
        {
            "date": "2026-11-24",
            "leads": [{"name": "Größe", "number_of_samples": 3, "signal": [2**63 - 1, -(2**63), 0]}],
        },
        {
            "sampling_rate": 360.5,
            "leads": [{"name": '"I"', "adc_gain": 200, "signal": [2**53 + 1]}, {"name": "II", "signal": []}],
        },
    ],
)
async def test_json_files_are_read_alike(modules: Tab, tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "x.json").write_bytes(orjson.dumps(document))
    await check_same(modules, tmp_path / "x.json")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"leads": 1}',
        '{"leads": []}',
        '{"leads": [1]}',
        '{"leads": [{"signal": [1]}]}',
        '{"leads": [{"name": "I"}]}',
        '{"leads": [{"name": "I", "signal": [1, 0.5]}]}',
        '{"leads": [{"name": "I", "signal": [9223372036854775808]}]}',
        '{"leads": [{"name": "I", "signal": [[1]]}]}',
        '{"leads": [{"name": "I", "number_of_samples": 3, "signal": [1]}]}',
        '{"sampling_rate": 0, "leads": [{"name": "I", "signal": [1]}]}',
        '{"leads": [{"name": "I", "adc_gain": "2", "signal": [1]}]}',
    ],
)
async def test_json_that_breaks_the_schema_is_refused_by_both(modules: Tab, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UnreadableRecording) as error:
        read(tmp_path / "x.json")
    # The field must be the same; the wording may differ.
    assert (await errors_of(modules, tmp_path / "x.json")).partition(": ")[0] == str(error.value).partition(": ")[0]


@pytest.mark.parametrize("suffix", ["hea", "edf", "bdf", "csv", "json", "dat", "xml"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00 777 nothing of the kind", b"[1, 2", b"0       " + b"x" * 300])
async def test_a_broken_file_is_told_whatever_its_format(
    modules: Tab, tmp_path: Path, suffix: str, content: bytes
) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(content)
    assert "777" not in await errors_of(modules, tmp_path / f"x.{suffix}")


async def test_files_are_grouped_into_recordings(modules: Tab, tmp_path: Path) -> None:
    for stem in ("a", "b"):
        (tmp_path / f"{stem}.hea").write_text(f"{stem} 1 100 2\n{stem}.dat 16 100 16 0 0 0 0 I\n")
    (tmp_path / "c.hea").write_text("c 1 100 1\nother.dat 16 100 16 0 0 0 0 I\n")
    for name in ("a.dat", "other.dat", "lonely.dat"):
        np.array([1, 2], "<i2").tofile(tmp_path / name)
    for name in ("a.atr", "notes.doc"):
        (tmp_path / name).write_text("?")
    paths = sorted(tmp_path.iterdir())
    results = {result["name"]: result for result in await read_in(modules, *paths)}
    assert set(results) == {"a.hea", "b.hea", "c.hea", "lonely.dat", "notes.doc"}
    assert {name for name, result in results.items() if "error" not in result} == {"a.hea", "c.hea"}
    assert "its signal file b.dat is missing" in results["b.hea"]["error"]
    assert "its header (.hea) must be beside it" in results["lonely.dat"]["error"]
    assert "format is unknown" in results["notes.doc"]["error"]
