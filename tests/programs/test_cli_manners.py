"""What the command line asks, says and refuses, with a gateway's answers prepared."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from ecg_client import read
from ecg_client.cli import app
from shared import VERSION
from tests.support.canned_gateway import CannedGateway, canned_gateway
from tests.support.paths import ROOT


@pytest.fixture
def gateway() -> Iterator[CannedGateway]:
    with canned_gateway() as served:
        yield served


@pytest.fixture
def env(gateway: CannedGateway, tmp_path: Path) -> dict[str, str]:
    return {
        "ECG_URL": gateway.url,
        "ECG_TOKEN": "token",
        "ECG_ADMIN_TOKEN": "admin",
        "ECG_DATA_DIR": str(tmp_path / "none"),
        "COLUMNS": "200",
    }


def run(env: dict[str, str], *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env=env)


def on_a_terminal(env: dict[str, str], answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard input is a terminal on which a user has typed an answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        return subprocess.run(
            [sys.executable, "-m", "ecg_client", *arguments],
            stdin=theirs,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **env},
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)


def on_pipes(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "ecg_client", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
    )


def ecg(number: int) -> dict[str, Any]:
    known = {"id": f"ecg-{number}", "date": None, "accepted_at": "2026-01-01T00:00:00Z", "status": "processed"}
    return {**known, "error": None, "leads": []}


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of all commands, with those of their groups."""
    command = command or get_command(app)
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_explains_itself_with_a_short_option_too(command: tuple[str, ...]) -> None:
    done = run({}, *command, "-h")
    assert (done.exit_code, "Usage:" in done.output) == (0, True)


def test_the_version_is_printed() -> None:
    done = run({}, "--version")
    assert (done.exit_code, done.output) == (0, f"ecg {VERSION}\n")


def test_a_list_on_a_screen_says_that_there_is_more(env: dict[str, str], gateway: CannedGateway) -> None:
    gateway.answer("GET /ecgs", 200, {"ecgs": [ecg(i) for i in range(50)], "next": None})
    done = run(env, "list")
    assert (done.exit_code, done.stderr) == (0, "")
    gateway.answer("GET /ecgs", 200, {"ecgs": [ecg(i) for i in range(51)], "next": "cursor"})
    gateway.next("GET /ecgs")
    done = run(env, "list")
    assert (done.stdout.count("ecg-"), "ecg-50" in done.stdout) == (50, False)
    assert done.stderr == "ecg: these are the latest 50, and there are more: --limit says how many to list\n"
    assert run(env, "list", "--limit", "3").stderr == ""


def test_a_list_for_programs_has_all_pages(env: dict[str, str], gateway: CannedGateway) -> None:
    gateway.answer("GET /ecgs", 200, {"ecgs": [ecg(i) for i in range(200)], "next": "cursor"})
    gateway.answer("GET /ecgs", 200, {"ecgs": [ecg(200)], "next": None})
    done = run(env, "list", "--json")
    assert (len(done.stdout.splitlines()), done.stderr) == (201, "")


@pytest.mark.parametrize(
    ("answer", "code", "deleted"), [("y\n", 0, True), ("YES\n", 0, True), ("n\n", 1, False), ("\n", 1, False)]
)
def test_the_deletion_of_a_user_is_confirmed_first(
    env: dict[str, str], gateway: CannedGateway, answer: str, code: int, deleted: bool
) -> None:
    gateway.answer("DELETE /users/st-marys", 204)
    done = on_a_terminal(env, answer, "users", "rm", "st-marys")
    assert (done.returncode, done.stdout) == (code, "")
    question = f"ecg: Delete st-marys at {gateway.url}, and erase all of their ECGs and recordings for good? [y/N] "
    assert done.stderr == question + ("" if deleted else "ecg: st-marys is not deleted\n")
    assert gateway.requests == (["DELETE /users/st-marys"] if deleted else [])


def test_without_a_terminal_a_user_is_deleted_only_with_yes(env: dict[str, str], gateway: CannedGateway) -> None:
    gateway.answer("DELETE /users/st-marys", 204)
    done = on_pipes(env, "users", "rm", "st-marys")
    assert done.returncode == 2
    assert done.stderr == "ecg: there is no terminal to ask whether to delete st-marys: add --yes\n"
    assert gateway.requests == []
    assert run(env, "users", "rm", "--yes", "st-marys").exit_code == 0
    assert gateway.requests == ["DELETE /users/st-marys"]


def test_an_outage_is_told_at_once_with_the_longest_wait(
    env: dict[str, str], gateway: CannedGateway, tmp_path: Path
) -> None:
    page: dict[str, Any] = {"ecgs": [], "next": None}
    for status, document in ((503, {"detail": "Kafka does not answer"}), (503, {"detail": "Still not"}), (200, page)):
        gateway.answer("GET /ecgs", status, document)
    done = run(env, "list", "--retry-for", "20")
    assert (done.exit_code, done.stderr) == (0, "ecg: Kafka does not answer; waiting for up to 20 s\n")
    # Four files wait in the same outage.
    gateway.answer("POST /ecgs", 503, {"detail": "Kafka does not answer"})
    files = [tmp_path / f"{i}.json" for i in range(4)]
    for file in files:
        file.write_bytes(orjson.dumps({"leads": [{"name": "I", "signal": [1]}]}))
    done = run(env, "submit", "--retry-for", "1", *files)
    told, ended = done.stderr.splitlines()
    assert told == "ecg: Kafka does not answer; waiting for up to 1 s"
    assert ended == "ecg: Kafka does not answer; 0 of 4 files sent, the same command resumes"
    assert run(env, "submit", "--retry-for", "0", files[0]).stderr.startswith("ecg: Kafka does not answer; 0 of 1")


SHOWN = {
    "id": "ecg-1",
    "accepted_at": "2026-01-01T00:00:00Z",
    "date": "2025-12-31T23:59:59+01:00",
    "sampling_rate": 360.1,
    "leads": [
        {"name": "I, left", "signal": [5, 0, 0, -(2**40)], "adc_gain": 200.5, "missing": [[1, 2]]},
        {"name": "time [s]", "signal": [1, 2, 3]},
    ],
}


def test_a_csv_file_is_read_back_as_the_same_ecg(env: dict[str, str], gateway: CannedGateway, tmp_path: Path) -> None:
    gateway.answer("GET /ecgs/ecg-1", 200, SHOWN)
    file = tmp_path / "back.csv"
    assert run(env, "show", "--csv", file, "ecg-1").exit_code == 0
    recording = read(file)
    assert (recording.sampling_rate, recording.date, recording.notes) == (360.1, SHOWN["date"], ())
    found = [(lead.name, lead.signal.tolist(), lead.adc_gain, lead.missing) for lead in recording.leads]
    assert found == [
        ("I, left", [5, 0, 0, -(2**40)], 200.5, ((1, 2),)),
        ("time [s]", [1, 2, 3], None, ()),
    ]
    assert run(env, "show", "--csv", "-", "ecg-1").stdout == file.read_text()
    both = run(env, "show", "--csv", "-", "--json", "ecg-1")
    assert (both.exit_code, "both write to standard output" in both.stderr) == (2, True)


def test_a_file_is_overwritten_only_with_force(env: dict[str, str], gateway: CannedGateway, tmp_path: Path) -> None:
    gateway.answer("GET /ecgs/ecg-1", 200, SHOWN)
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    done = on_pipes(env, "show", "--csv", str(file), "ecg-1")
    assert done.stderr == f"ecg: {file} exists: choose another name, or overwrite it with --force\n"
    assert (done.returncode, done.stdout, file.read_text(), gateway.requests) == (1, "", "mine", [])
    assert run(env, "show", "--csv", file, "--force", "ecg-1").exit_code == 0
    assert read(file).sampling_rate == 360.1


RECORDED: dict[str, Any] = {
    "id": "rec-1",
    "username": "clinic",
    "date": None,
    "label": "bed 7",
    "accepted_at": "2026-01-01T00:00:00Z",
    "sampling_rate": 2.0,
    "number_of_samples": 4,
    "complete_until": 4,
    "final": True,
    "revision": 0,
    "gaps": [],
    "refused": {"number": 0, "latest": []},
    "leads": [{"name": "I", "adc_gain": 200.0, "number_of_zero_crossings": 3}],
    "beats": {"number_of_beats": 2, "mean_rate": 71.6, "longest_pause": {"first_sample": 1, "seconds": 0.84}},
}
BEATS = "beats: 2; heart rate: 72 /min; longest pause: 0.8 s at 0:00:00\n"


@pytest.fixture
def live(gateway: CannedGateway) -> CannedGateway:
    """The gateway, with answers about a recording."""
    gateway.answer("POST /recordings", 201, {"id": "rec-1"})
    gateway.answer("POST /recordings/rec-1/chunks", 201, {})
    gateway.answer("POST /recordings/rec-1/end", 201, {})
    gateway.answer("GET /recordings/rec-1/insights", 200, RECORDED)
    return gateway


def test_a_recording_that_is_streamed_has_the_beats_of_its_insights(
    env: dict[str, str], live: CannedGateway, tmp_path: Path
) -> None:
    (tmp_path / "live.txt").write_text("1\n-1\n1\n-1\n")
    streamed = run(env, "stream", "--leads", "I", "--rate", "2", tmp_path / "live.txt")
    assert (streamed.exit_code, streamed.stdout.startswith("rec-1\n"), BEATS in streamed.stdout) == (0, True, True)
    live.answer("GET /ecgs/rec-1/insights", 404, {"detail": "ECG not found for id rec-1"})
    assert BEATS in run(env, "insights", "rec-1").stdout


def test_a_file_that_is_sent_as_a_recording_has_the_beats_of_its_insights(
    env: dict[str, str], live: CannedGateway, tmp_path: Path
) -> None:
    file = tmp_path / "night.json"
    file.write_bytes(orjson.dumps({"sampling_rate": 2, "leads": [{"name": "I", "signal": [1, -1, 1, -1]}]}))
    # No chunk has arrived when the file is sent.
    live.answers["GET /recordings/rec-1/insights"].insert(0, (202, {"detail": "still"}))
    shown = run(env, "submit", "--as-recording", "--wait", file)
    assert (shown.exit_code, BEATS in shown.stdout, "bed 7" in shown.stdout) == (0, True, True)
    [line] = run(env, "submit", "--as-recording", "--wait", "--json", file).stdout.splitlines()
    found = orjson.loads(line)
    assert (found["id"], found["leads"], found["samples"], found["final"]) == ("rec-1", 1, 4, True)
    assert (found["beats"], found["insights"][0]["number_of_zero_crossings"]) == (RECORDED["beats"], 3)


def test_the_reason_why_a_recording_has_no_beats_is_printed(
    env: dict[str, str], live: CannedGateway, tmp_path: Path
) -> None:
    text, file = tmp_path / "live.txt", tmp_path / "night.json"
    text.write_text("1\n-1\n1\n-1\n")
    file.write_bytes(orjson.dumps({"sampling_rate": 2, "leads": [{"name": "I", "signal": [1, -1, 1, -1]}]}))
    absent = {name: value for name, value in RECORDED.items() if name != "beats"}
    reasons = {"beats": "needs a sampling rate of at least 100 Hz"}
    live.answers["GET /recordings/rec-1/insights"] = [(200, absent | {"not_computed": reasons})]
    live.answer("GET /ecgs/rec-1/insights", 404, {"detail": "ECG not found for id rec-1"})
    commands: dict[str, tuple[str | Path, ...]] = {
        "insights": ("rec-1",),
        "stream": ("--leads", "I", "--rate", "2", text),
        "submit": ("--as-recording", "--wait", file),
    }
    for command, arguments in commands.items():
        assert "beats: needs a sampling rate of at least 100 Hz\n" in run(env, command, *arguments).stdout
        last = run(env, command, "--json", *arguments).stdout.splitlines()[-1]
        assert orjson.loads(last)["not_computed"] == reasons


@pytest.mark.parametrize("command", ["stream", "submit"])
def test_an_end_that_was_refused_is_told_to_those_who_wait(
    env: dict[str, str], live: CannedGateway, tmp_path: Path, command: str
) -> None:
    text, file = tmp_path / "live.txt", tmp_path / "night.json"
    text.write_text("1\n-1\n1\n-1\n")
    file.write_bytes(orjson.dumps({"sampling_rate": 2, "leads": [{"name": "I", "signal": [1, -1, 1, -1]}]}))
    reason = "first_sample: must not be less than the number of samples so far, 9"
    refused = RECORDED | {"final": False, "refused": {"number": 1, "latest": [reason]}}
    live.answers["GET /recordings/rec-1/insights"] = [(200, refused)]
    arguments = {
        "stream": ("--leads", "I", "--rate", "2", text),
        "submit": ("--as-recording", "--wait", "--json", file),
    }
    done = run(env, command, "--timeout", "0", *arguments[command])
    assert done.exit_code == 1
    told = orjson.loads(done.stdout)["error"] if command == "submit" else str(done.exception)
    assert told == f"rec-1 has not ended; 1 message was refused: {reason}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "live.txt: holds no samples"),
        ("\n", "live.txt: holds no samples"),
        ("I,II\n1,2\n", "line 1: holds no number: each line must hold 2 integers, one for each lead; leave a heading "
         "out, and name the leads with --leads"),
    ],
)  # fmt: skip
def test_a_live_ecg_without_a_sample_begins_no_recording(
    env: dict[str, str], live: CannedGateway, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "live.txt").write_text(text)
    done = run(env, "stream", "--leads", "I,II", "--rate", "2", tmp_path / "live.txt")
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(done.exception).endswith(f"{problem}; no recording was begun")
    assert live.requests == []


def test_a_stream_of_nothing_begins_no_recording(env: dict[str, str], live: CannedGateway) -> None:
    done = on_pipes(env, "stream", "--leads", "I", "--rate", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ecg: standard input: holds no samples; no recording was begun\n"
    assert live.requests == []
