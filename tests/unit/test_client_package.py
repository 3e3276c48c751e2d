"""What `ecg_client` offers to programs, and its errors before anything is sent."""

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ecg_client
from ecg_client import Calibration, ClientError, EcgClient, Lead, Recording, UnreadableRecording, read
from ecg_client.idempotency import ecg_id, idempotency_key

RECORDING = Recording.of({"I": [1, 0, -1]})


def test_everything_that_a_program_needs_is_exported() -> None:
    assert {"Calibration", "Lead", "Recording", "UnreadableRecording", "read"} <= set(ecg_client.__all__)
    assert isinstance(RECORDING.leads[0], Lead)


def test_a_recording_that_cannot_be_read_is_an_error_of_the_client(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="there is no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(ClientError, match="must hold integers"):
        Recording.of({"I": [0.5]})
    assert issubclass(UnreadableRecording, ClientError)


@pytest.mark.parametrize("given", ["rest.csv", Path("rest.csv"), {"I": [1, 0, -1]}, [[1, 0, -1]], None])
def test_submitting_what_is_no_recording_says_what_makes_one(given: Any) -> None:
    with EcgClient("http://127.0.0.1:1", "token", retry_for=0) as client, pytest.raises(TypeError) as error:
        client.submit(given)
    assert str(error.value) == (
        f"a Recording can be submitted, not {type(given).__name__}: read(path) reads one from a file, and "
        "Recording.of({'I': [...]}) makes one of samples"
    )


@pytest.mark.parametrize("lead", [Lead("II", [1, 0, -1]), ("II", [1, 0, -1])])  # type: ignore[arg-type]
def test_submitting_a_lead_without_an_array_says_which(lead: Any) -> None:
    wrong = Recording((*RECORDING.leads, lead))
    with EcgClient("http://127.0.0.1:1", "token", retry_for=0) as client, pytest.raises(TypeError) as error:
        client.submit(wrong)
    assert str(error.value).startswith("leads[1] must be a Lead whose signal is a NumPy array: ")


def test_a_file_has_the_same_key_every_time_whatever_its_folder_and_label(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a/rest.csv", "b/rest.csv", "a/night.csv")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("I,II\n1,2\n0,-1\n")
    first, moved, renamed = map(read, files)
    assert first.file_name == "rest.csv"
    assert idempotency_key(first) == idempotency_key(moved) == idempotency_key(replace(first, label="rest 1"))
    assert ecg_id("user", first) == ecg_id("user", moved)
    other = read(files[0], Calibration(scale=2))
    assert len({idempotency_key(each) for each in (first, renamed, other)}) == 3
    assert ecg_id("user", first) != ecg_id("user", renamed)


def test_a_recording_that_is_no_file_has_a_new_key_each_time() -> None:
    assert RECORDING.file_name is None
    keys = {idempotency_key(RECORDING) for _ in range(2)}
    assert len({uuid.UUID(key) for key in keys}) == 2
