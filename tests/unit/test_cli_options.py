"""Invalid options of the command line are refused before any request is sent."""

import pytest
from typer.testing import CliRunner

from ecg_client.cli import app

ENV = {"ECG_URL": "http://127.0.0.1:1", "ECG_ADMIN_TOKEN": "admin", "COLUMNS": "200"}


@pytest.mark.parametrize(
    "arguments",
    [
        *(["users", "add", "me", f"--expires-in={wrong}"] for wrong in ("90", "d", "1w", "-1d", "1.5h")),
        *(["audit", f"--since={wrong}"] for wrong in ("yesterday", "1w", "999999999d")),
        ["audit", "--until=tomorrow"],
    ],
    ids=" ".join,
)
def test_an_invalid_time_is_wrong_usage_and_its_option_is_named(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments, env=ENV)
    option = arguments[-1].partition("=")[0]
    assert (done.exit_code, f"Invalid value for '{option}'" in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--leads=,", "--rate=500"], "must name a lead for each column"),
        (["--leads=I", "--rate=0"], "sampling_rate: must be"),
        (["--leads=I", "--rate=500", "--gain=-1"], "adc_gain: must be"),
        (["--leads=I", "--rate=500", "none.txt"], "none.txt: No such file or directory"),
    ],
)
def test_a_stream_that_cannot_be_one_does_not_begin(arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(app, ["stream", *arguments], env={**ENV, "ECG_TOKEN": "token"})
    assert done.exit_code != 0
    assert problem in done.output + str(done.exception)
