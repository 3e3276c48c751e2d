"""A directory stands for all recordings in it; what is no recording is passed over there, and counted."""

import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from ecg_client.batch import collect
from ecg_client.cli import app
from ecg_client.recordings import NoRecording, UnreadableRecording, read
from tests.support.canned_gateway import CannedGateway, canned_gateway

RECORDING = orjson.dumps({"leads": [{"name": "I", "signal": [1, -1]}]})
TABLE = b"I,II\n1,2\n3,4\n"


@pytest.fixture
def gateway() -> Iterator[CannedGateway]:
    with canned_gateway() as served:
        served.answer("POST /ecgs", 201, {"id": "ecg-1"})
        yield served


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A directory as people have it: recordings by day, beside notes, pictures and what systems leave there."""
    archive = tmp_path / "archive"
    files = {
        "2026-01-02/rest.json": RECORDING,
        "2026-01-01/100.hea": b"100 1 360 2\n100.dat 16 200 16 0 0 0 0 II\n",
        "2026-01-01/100.dat": b"\1\0\2\0",
        "2026-01-01/100.atr": b"annotations",
        "2026-01-01/table.CSV": TABLE,
        "2026-01-01/._table.csv": b"\0\5companion",
        ".trash/old.json": RECORDING,
        "README.txt": b"Recordings of a study.\nDo not share.\n",
        "patients.json": b'{"patients": []}',
        "report.pdf": b"%PDF",
        "scan.PDF": b"%PDF",
        "RECORDS": b"100\n",
    }
    for name, content in files.items():
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        (archive / name).write_bytes(content)
    (archive / "circle").symlink_to(archive)
    return archive


def submit(gateway: CannedGateway, *arguments: str | Path) -> Result:
    env = {"ECG_URL": gateway.url, "ECG_TOKEN": "token", "COLUMNS": "200"}
    return CliRunner().invoke(app, ["submit", "--json", *map(str, arguments)], env=env)


def test_a_directory_is_all_recordings_in_it_and_below(gateway: CannedGateway, archive: Path) -> None:
    done = submit(gateway, archive)
    sent = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert {Path(line["file"]).relative_to(archive).as_posix(): line["id"] for line in sent} == {
        "2026-01-01/100.hea": "ecg-1",
        "2026-01-01/table.CSV": "ecg-1",
        "2026-01-02/rest.json": "ecg-1",
    }
    said = "3 of 3 files sent; 5 passed over: not a recording (.pdf 2, .json 1, .txt 1, no suffix 1)\n"
    assert (done.exit_code, done.stderr) == (0, said)


def test_a_broken_recording_in_a_directory_is_an_error(gateway: CannedGateway, archive: Path) -> None:
    (archive / "night.edf").write_bytes(b"no EDF")
    (archive / "lost.dat").write_bytes(b"\0\0")
    (archive / "cut.csv").write_bytes(b"I,II\n1,x\n2,x\n")
    (archive / "cut.json").write_bytes(RECORDING[:-4])
    done = submit(gateway, archive)
    failed = {Path(line["file"]).name for line in map(orjson.loads, done.stdout.splitlines()) if "error" in line}
    assert failed == {"night.edf", "lost.dat", "cut.csv", "cut.json"}
    assert done.exit_code == 1
    assert done.stderr.startswith("ecg: 3 of 7 files sent; 5 passed over: not a recording (")


def test_a_file_that_is_named_is_never_passed_over(gateway: CannedGateway, archive: Path) -> None:
    done = submit(gateway, archive / "README.txt", archive / "report.pdf", archive / "2026-01-02")
    errors = [line.get("error", "")[:20] for line in map(orjson.loads, done.stdout.splitlines())]
    assert sorted(errors) == ["", "its format is unknow", "line 2, column 1: mu"]
    assert (done.exit_code, done.stderr) == (1, "ecg: 1 of 3 files sent\n")


def test_a_directory_without_recordings_is_an_error(gateway: CannedGateway, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = submit(gateway, tmp_path / "empty")
    assert orjson.loads(done.stdout)["error"] == "contains no recordings"
    assert (done.exit_code, done.stderr) == (1, "ecg: 0 of 1 files sent\n")
    (tmp_path / "empty" / "README.txt").write_bytes(b"Nothing\nhere\n")
    done = submit(gateway, tmp_path / "empty")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "ecg: 0 of 0 files sent; 1 passed over: not a recording (.txt 1)\n"


def test_a_directory_that_cannot_be_read_is_an_error(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "2026-01-01":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    batch = collect([archive])
    assert batch.problems == {archive / "2026-01-01": "Permission denied"}
    assert archive / "2026-01-01" in batch.files


@pytest.mark.parametrize("length", [253, 255])
def test_a_name_that_leaves_no_room_for_a_suffix_is_that_of_no_record(
    gateway: CannedGateway, archive: Path, length: int
) -> None:
    (archive / "2026-01-02" / f"{'b' * (length - 4)}.pdf").touch()
    (archive / "2026-01-02" / f"{'c' * (length - 4)}.csv").write_bytes(TABLE)
    (archive / "2026-01-02" / ("d" * length)).mkdir()
    done = submit(gateway, archive / "2026-01-02")
    said = "2 of 2 files sent; 1 passed over: not a recording (.pdf 1)\n"
    assert (done.exit_code, done.stderr) == (0, said)


def test_a_path_that_cannot_be_looked_at_does_not_stop_the_others(
    gateway: CannedGateway, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.stat

    # As for a user who may not search the directory: root may, and runs the tests in a container.
    def guarded(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent.name == "2026-01-01":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", guarded)
    named = [archive / "2026-01-01" / "table.CSV", Path("e" * 300), archive / "2026-01-02"]
    done = submit(gateway, *named)
    errors = {line["file"]: line.get("error") for line in map(orjson.loads, done.stdout.splitlines())}
    assert errors == {
        str(named[0]): "Permission denied",
        str(named[1]): "there is no such file or WFDB record",
        str(named[2] / "rest.json"): None,
    }
    assert (done.exit_code, done.stderr) == (1, "ecg: 1 of 3 files sent\n")


def test_a_segment_that_is_a_link_to_itself_does_not_stop_the_others(gateway: CannedGateway, archive: Path) -> None:
    (archive / "2026-01-02" / "m.hea").write_bytes(b"m/1 1 250 2\na 2\n")
    (archive / "2026-01-02" / "a.hea").symlink_to("a.hea")
    done = submit(gateway, archive / "2026-01-02")
    errors = {Path(line["file"]).name: line.get("error") for line in map(orjson.loads, done.stdout.splitlines())}
    assert errors == {"m.hea": "its segment a is missing: a.hea belongs beside it", "rest.json": None}


def test_a_record_is_preferred_to_a_directory_of_its_name(archive: Path) -> None:
    (archive / "2026-01-01" / "100").mkdir()
    assert collect([archive / "2026-01-01" / "100"]).files == [archive / "2026-01-01" / "100"]


NEITHER = {
    "a.xml": b"<settings><volume>3</volume></settings>",
    "a.json": b"[1, 2, 3]",
    "b.json": b'{"resourceType": "Patient", "name": [{"family": "Somebody"}]}',
    "c.json": b'{"resourceType": "Observation", "valueQuantity": {"value": 120}}',
    "a.txt": b"A text.\nAnd more.\n",
    "b.txt": b"A line\n",
    "a.csv": b"name,city\nA,B\nC,D\n",
    "a.jpg": b"\xff\xd8",
}
BROKEN = {
    "a.xml": b"<AnnotatedECG",
    "a.json": b'{"leads": [{"name": "I", "signal": [1, ',
    "b.json": b'{"resourceType": "Bundle", "entry": []}',
    "c.json": b'{"resourceType": "Observation", ',
    "a.csv": b"time,II\n0 s,a\n1 s,b\n",
    "b.csv": b"",
    "c.csv": b"I,II\n",
    "a.dat": b"\0\0",
    "a.scp": b"nothing",
}


@pytest.mark.parametrize("name", NEITHER)
def test_a_file_of_another_kind_is_no_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NEITHER[name])
    with pytest.raises(NoRecording):
        read(tmp_path / name)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recording_is_not_taken_for_another_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(UnreadableRecording) as error:
        read(tmp_path / name)
    assert not isinstance(error.value, NoRecording)
