"""The code of docs/packed.md, run unchanged except for the address, and its claims about a gateway's answers."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ecgs import insights
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline
from tests.support.tools import missing

# Long enough to compile the programs on a busy machine.
TIMEOUT = 120
_CODE = re.compile(r'^## (\S+)\n\n^```\w+ title="([^"]+)"\n(.*?)^```\n\n^```sh\n(.*?)^```$', re.DOTALL | re.MULTILINE)
PROGRAMS = {
    language: (name, code, script)
    for language, name, code, script in _CODE.findall((ROOT / "docs" / "packed.md").read_text())
}


def test_the_page_has_every_language() -> None:
    assert list(PROGRAMS) == ["Java", "Go", "JavaScript", "Python"]


@pytest.mark.parametrize("language", PROGRAMS)
async def test_a_program_submits_a_packed_ecg(pipeline: Pipeline, tmp_path: Path, language: str) -> None:
    name, code, script = PROGRAMS[language]
    tool = script.split()[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which(tool, path=path) is None:
        missing(f"no `{tool}` was found in PATH")
    (tmp_path / name).write_text(code.replace("http://localhost:8000", pipeline.gateways[0].url))
    token = await pipeline.register("packed-page")
    # `timeout` also ends the processes that the shell has started.
    done = await asyncio.to_thread(
        subprocess.run,
        ["timeout", str(TIMEOUT), "bash", "-euc", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    async with pipeline.client(token=token) as client:
        assert "id" in json.loads(done.stdout), done.stdout
        [lead] = await insights(client, json.loads(done.stdout)["id"])
        assert (lead["name"], lead["number_of_zero_crossings"]) == ("I", 3)
