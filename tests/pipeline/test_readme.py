"""The commands of the README print the output that it shows."""

import asyncio
import json
import re
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT
from tests.support.pipeline import ADMIN_TOKEN, Pipeline
from tests.support.tools import missing

SECTION = (ROOT / "README.md").read_text().partition("## Try it\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)


@pytest.fixture
def script(pipeline: Pipeline) -> str:
    """All commands but `make run`, with the pipeline's address and admin token."""
    if shutil.which("curl") is None:
        missing("no `curl` was found in PATH")
    run, *commands = blocks("sh")
    assert run.startswith("make run ")
    text = "".join(commands).replace("localhost:8000", pipeline.gateways[0].url)
    return re.sub(r"^ADMIN=\.\.\..*$", f"ADMIN={ADMIN_TOKEN}", text, flags=re.MULTILINE)


async def test_an_ecg_is_submitted_and_its_insights_are_read(script: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-euc", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    accepted, insights = map(json.loads, done.stdout.splitlines())
    says_accepted, says_insights = map(json.loads, blocks("json"))
    assert accepted.keys() == says_accepted.keys()
    assert insights == says_insights | {"ecg_id": accepted["id"]}
