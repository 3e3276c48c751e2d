"""The code of docs/recordings.md, run unchanged except for addresses and topics."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecg_client.synthesis import synthesise
from tests.support.ecgs import crossings
from tests.support.page_code import sections
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline

SECTIONS = sections((ROOT / "docs" / "recordings.md").read_text())


@pytest.fixture
def run(pipeline: Pipeline, tmp_path: Path) -> Callable[[str, str], str]:
    """A function that runs a section's code on the pipeline with a token, and returns its output."""
    if pipeline.broker.security:
        pytest.skip("the page's code speaks to a Kafka that everybody may use")

    def here(text: str) -> str:
        text = text.replace("localhost:9092", pipeline.bootstrap_servers)
        text = text.replace("http://localhost:8000", pipeline.gateways[0].url)
        text = text.replace("localhost:8000", pipeline.gateways[0].url)
        return text.replace("ecg.chunks", f"{pipeline.prefix}.chunks")

    def run(title: str, token: str) -> str:
        variables = {"TOKEN": token, "ECG_TOKEN": token, "ECG_URL": pipeline.gateways[0].url, "PYTHONPATH": str(ROOT)}
        return SECTIONS[title].run(tmp_path, here, variables)

    return run


def check_final(found: dict[str, Any]) -> None:
    """Check the insights of the recording of ten seconds that the page sends."""
    assert (found["final"], found["complete_until"], found["gaps"]) == (True, 5000, [])
    count = crossings(synthesise(seconds=10)["I"].tolist())
    assert found["leads"] == [{"name": "I", "adc_gain": 1000.0, "number_of_zero_crossings": count}]
    # 68 beats a minute.
    assert 10 <= found["beats"]["number_of_beats"] <= 12


async def test_a_live_recording_with_the_command(pipeline: Pipeline, run: Callable[[str, str], str]) -> None:
    token = await pipeline.register("with-the-command")
    recording_id, *printed = (await asyncio.to_thread(run, "With the command", token)).splitlines()
    assert f"recording {recording_id}: 15,000 samples, 30.0 s, ended" in printed
    assert any(line.startswith("beats: 34; heart rate: 68 /min; ") for line in printed)


async def test_a_live_recording_in_python(pipeline: Pipeline, run: Callable[[str, str], str]) -> None:
    token = await pipeline.register("in-python")
    *_, last = (await asyncio.to_thread(run, "In Python", token)).splitlines()
    async with pipeline.client(token=token) as client:
        [listed] = (await client.get("/recordings")).json()["recordings"]
        found = (await client.get(f"/recordings/{listed['id']}/insights")).json()
    assert (listed["label"], found["final"], found["number_of_samples"]) == ("bed 7", True, 15_000)
    assert str([lead["number_of_zero_crossings"] for lead in found["leads"]]) in last
    # 68 beats a minute.
    assert 32 <= found["beats"]["number_of_beats"] <= 36


async def test_a_recording_over_http(pipeline: Pipeline, run: Callable[[str, str], str]) -> None:
    printed = await asyncio.to_thread(run, "Over HTTP", await pipeline.register("over-http"))
    assert '"first_sample":0,"number_of_samples":5000' in printed
    found = json.loads(printed[printed.rindex('{"id"') :])
    check_final(found)


async def test_a_recording_straight_onto_kafka(pipeline: Pipeline, run: Callable[[str, str], str]) -> None:
    token = await pipeline.register("patches")
    check_final(json.loads(await asyncio.to_thread(run, "Straight onto Kafka", token)))
