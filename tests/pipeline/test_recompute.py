"""Computing insights again: rows of older versions, through the same agents, and what must stay as it is."""

import asyncio
import os
from typing import Any

import httpx
import orjson
import pytest

from ecg_client import kafka, outdated_rows
from ecg_client.outdated_rows import Progress
from shared.messages import recomputations
from shared.messages.recomputations import CONTENT_TYPE, Recomputation
from shared.settings import Settings
from stream_agents.insights import INSIGHTS
from tests.support.command_line import ecg
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.heartbeats import digitised, regular, signals
from tests.support.pipeline import NewPipeline, Pipeline

[SIGNAL] = digitised(signals(regular(0.8, 10), 500, 10)[1:2])
ECG = {
    "label": "rest.edf",
    "sampling_rate": 500,
    "leads": [{"name": "II", "adc_gain": 1000, "signal": SIGNAL.tolist()}],
}
WITHOUT_RATE = {"leads": [{"name": "I", "signal": [1, -1]}]}


async def submit(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    response = await client.post("/ecgs", json=body)
    ecg_id = str(response.json()["id"])
    await insights(client, ecg_id)
    return ecg_id


async def record(client: httpx.AsyncClient) -> None:
    """Begin a recording, and wait for the insights of its first chunk."""
    announcement = {"sampling_rate": 500, "leads": [{"name": "II", "adc_gain": 1000}]}
    path = f"/recordings/{(await client.post('/recordings', json=announcement)).json()['id']}"
    response = await client.post(f"{path}/chunks", json={key: ECG[key] for key in announcement} | {"first_sample": 0})
    assert response.status_code == 201, response.text

    async def probe() -> bool | None:
        found = (await client.get(f"{path}/insights")).json()
        return True if found.get("complete_until") == SIGNAL.size else None

    await eventually(probe, what="a chunk's insights")


async def answer(client: httpx.AsyncClient, ecg_id: str) -> dict[str, Any]:
    return dict((await client.get(f"/ecgs/{ecg_id}/insights")).json())


async def recompute(used: Settings, **options: Any) -> Progress:
    last = Progress()

    def report(progress: Progress) -> None:
        nonlocal last
        last = progress

    await outdated_rows.recompute(used, 100, report, lambda *_: None, **options)
    return last


async def upgraded(pipeline: Pipeline, **env: str) -> None:
    """Replace the worker by one that computes all insights."""
    pipeline.workers[0].stop()
    pipeline.start_worker(**env)
    await pipeline.ready()


@pytest.mark.parametrize(
    "sealed", [pytest.param(False, id="plain", marks=pytest.mark.slow), pytest.param(True, id="sealed")]
)
async def test_rows_of_older_versions_are_computed_again_and_nothing_else(
    new_pipeline: NewPipeline, sealed: bool
) -> None:
    env = {"ECG_ENCRYPT_SUBMISSIONS": "true"} if sealed else {}
    pipeline = new_pipeline()
    pipeline.start_gateway(**env)
    pipeline.start_worker(ECG_INSIGHTS="number_of_zero_crossings", **env)
    await pipeline.ready()
    token = await pipeline.register("clinic")
    async with pipeline.client(token=token) as client:
        old = [await submit(client, ECG) for _ in range(5)]
        plain, erased = await submit(client, WITHOUT_RATE), await submit(client, ECG)
        await record(client)
        assert (await client.delete(f"/ecgs/{erased}")).status_code == 204
        listed = (await client.get("/ecgs")).json()["ecgs"]
        before = {ecg["id"]: ecg["accepted_at"] for ecg in listed}
        unchanged = await client.get(f"/ecgs/{plain}/insights")
        assert (await recompute(pipeline.settings, only_count=True)).found == 5
        assert "ecg" not in await answer(client, old[0])
        await upgraded(pipeline, **env)
        newer = await submit(client, ECG)
        assert await recompute(pipeline.settings) == Progress(found=5, done=5)
        for ecg_id in (*old, newer):
            found = await answer(client, ecg_id)
            assert found["ecg"]["rhythm"]["heart_rate_bpm"] == pytest.approx(75, abs=1)
            assert found["versions"]["rhythm"] == INSIGHTS["rhythm"].version
            assert (await client.get(f"/ecgs/{ecg_id}")).json()["leads"][0]["signal"] == SIGNAL.tolist()
        assert (await client.get(f"/ecgs/{plain}/insights")).content == unchanged.content
        assert (await client.get(f"/ecgs/{erased}/insights")).status_code == 404
        listed = (await client.get("/ecgs")).json()["ecgs"]
        assert {ecg["id"]: ecg["accepted_at"] for ecg in listed if ecg["id"] != newer} == before
        assert [ecg["id"] for ecg in listed] == [newer, *before]
        assert {ecg["label"] for ecg in listed if ecg["id"] in old} == {"rest.edf"}
        assert await recompute(pipeline.settings) == Progress()


async def test_a_request_for_an_ecg_that_changed_meanwhile_does_nothing(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker(ECG_INSIGHTS="number_of_zero_crossings")
    await pipeline.ready()
    token = await pipeline.register("clinic")
    async with pipeline.client(token=token) as client:
        erased, outdated = await submit(client, ECG), await submit(client, ECG)
        offsets = await offsets_of(pipeline)
        assert (await client.delete(f"/ecgs/{erased}")).status_code == 204
        await upgraded(pipeline)
        async with kafka.producer(pipeline.settings) as producer:
            for ecg_id, offset in ((erased, offsets[erased]), (outdated, offsets[outdated] + 5), ("unknown", 0)):
                value = recomputations.encode(Recomputation(ecg_id, offset))
                headers = [("content-type", CONTENT_TYPE.encode())]
                topic = f"{pipeline.prefix}.submissions"
                await producer.send_and_wait(topic, value, ecg_id.encode(), headers=headers)
                await producer.send_and_wait(topic, b"no request", ecg_id.encode(), headers=headers)
        # The same partitions go on.
        env = {name: value for name, value in os.environ.items() if not name.startswith("ECG_")} | pipeline.env
        dry = await ecg("recompute", "--dry-run", env=env)
        assert (dry.code, dry.out) == (0, "1 ECGs have insights of older versions\n")
        done = await ecg("recompute", "--rate", "100", "--json", env=env)
        assert (done.code, done.lines) == (0, [{"found": 1, "gone": 0, "done": 1, "unchanged": 0}])
        assert done.err.startswith("0 of 1 ECGs\n")
        assert (await client.get(f"/ecgs/{erased}/insights")).status_code == 404
        assert "rhythm" in (await answer(client, outdated))["ecg"]
        assert pipeline.workers[-1].running.poll() is None


async def offsets_of(pipeline: Pipeline) -> dict[str, int]:
    """Return the offsets of the submissions of all rows."""
    found: dict[str, int] = {}
    async with kafka.reading(pipeline.settings, f"{pipeline.prefix}.insights") as reader:
        ends = await reader.end_offsets(reader.assignment())

        async def read() -> bool | None:
            for records in (await reader.getmany(timeout_ms=200)).values():
                found.update({record.key.decode(): orjson.loads(record.value)["offset"] for record in records})
            positions = await asyncio.gather(*map(reader.position, ends))
            return True if all(at >= end for at, end in zip(positions, ends.values(), strict=True)) else None

        await eventually(read, what="all rows")
    return found
