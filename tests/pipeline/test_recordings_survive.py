"""Half an hour of an ECG survives disorder, repeats and the death of a worker: no sample is lost or misread."""

import asyncio
import random
from typing import Any, Final

import httpx
import numpy as np

from ecg_client.recordings import read
from ecg_client.synthesis import SAMPLING_RATE_HZ, UNITS_PER_MV, synthesise
from shared.ecg import Content, Lead, cut
from shared.encoding import packed
from stream_agents.insights.beats import find_beats
from stream_agents.insights.recording import Recording
from tests.support.conditions import eventually
from tests.support.ecgs import insights
from tests.support.paths import RECORDINGS
from tests.support.pipeline import NewPipeline
from tests.support.single_pass import Beats, beats
from validation.matching import match

_PACKED: Final = {"content-type": packed.CONTENT_TYPE}
_CHUNK_SECONDS: Final = 10


async def test_a_recording_survives_disorder_repeats_and_the_death_of_a_worker(new_pipeline: NewPipeline) -> None:
    content = half_an_hour()
    rate, total = content.sampling_rate or 0.0, content.leads[0].signal.size
    sent = chunks(total, rate)
    half = len(sent) // 2
    pipeline = new_pipeline(ECG_CHUNK_PATIENCE="600")
    pipeline.start_gateway()
    worker = pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        recording_id = await begun(client, content)
        adding = asyncio.create_task(add(client, recording_id, content, sent[:half]))
        await reached(client, recording_id, final=False)
        worker.kill()
        await adding
        pipeline.start_worker()
        await add(client, recording_id, content, sent[half:])
        await posted(client, f"/recordings/{recording_id}/end", json={"number_of_samples": total})
        answer = await reached(client, recording_id, final=True)
        minutes = await minutes_of(client, recording_id)
        # As one ECG, the same samples have the same zero crossings and, but for a few, the same beats.
        ecg_id = await posted(client, "/ecgs", content=packed.encode_content(content), headers=_PACKED)
        of_ecg = await insights(client, ecg_id)
    assert (answer["number_of_samples"], answer["complete_until"]) == (total, total)
    assert (answer["gaps"], answer["revision"], answer["refused"]["number"]) == ([], 0, 0)
    assert crossings(answer["leads"]) == crossings(of_ecg) == [zero_crossings(lead) for lead in content.leads]
    assert Beats(answer["beats"], minutes) == beats(content.leads, rate)
    found = np.array([beat for minute in minutes for beat in minute["beats"]])
    assert match(find_beats(Recording(content.leads, rate)).samples, found, rate).f1 >= 99.9


def half_an_hour() -> Content:
    """Return two leads of half an hour: of a real ECG with many ectopic beats if there is one, else synthetic."""
    if (path := RECORDINGS / "mitdb" / "208.hea").exists():
        return read(path).content
    parts = [synthesise(20.0, 50.0 + part, seed=part) for part in range(90)]
    signals = {name: np.concatenate([part[name] for part in parts]) for name in ("II", "V1")}
    leads = tuple(Lead(name, signal, float(UNITS_PER_MV)) for name, signal in signals.items())
    return Content(None, leads, float(SAMPLING_RATE_HZ))


def chunks(total: int, rate: float) -> list[range]:
    """Return the samples of each chunk, in a random order; one comes twice."""
    count = round(_CHUNK_SECONDS * rate)
    found = [range(first, min(first + count, total)) for first in range(0, total, count)]
    random.Random(0).shuffle(found)
    return [*found, found[0]]


async def begun(client: httpx.AsyncClient, content: Content) -> str:
    leads = [{"name": lead.name, "adc_gain": lead.adc_gain} for lead in content.leads]
    return await posted(client, "/recordings", json={"leads": leads, "sampling_rate": content.sampling_rate})


async def add(client: httpx.AsyncClient, recording_id: str, content: Content, sent: list[range]) -> None:
    for there in sent:
        leads = tuple(cut(lead, there) for lead in content.leads)
        body = packed.encode_chunk_content(Content(None, leads, content.sampling_rate), there.start)
        await posted(client, f"/recordings/{recording_id}/chunks", content=body, headers=_PACKED)


async def posted(client: httpx.AsyncClient, path: str, **request: Any) -> str:
    """Send a request, which must be accepted, and return the id in its answer."""
    response = await client.post(path, **request)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def reached(client: httpx.AsyncClient, recording_id: str, *, final: bool) -> dict[str, Any]:
    """Wait for insights that are final or not; while the partition moves, the gateway may answer 503, but never 404."""

    async def probe() -> dict[str, Any] | None:
        response = await client.get(f"/recordings/{recording_id}/insights")
        assert response.status_code in (200, 202, 503), response.text
        answer: dict[str, Any] = response.json()
        return answer if response.status_code == 200 and answer["final"] is final else None

    return await eventually(probe, what=f"insights of {recording_id}")


async def minutes_of(client: httpx.AsyncClient, recording_id: str) -> list[dict[str, Any]]:
    response = await client.get(f"/recordings/{recording_id}/minutes")
    assert response.status_code == 200, response.text
    return list(response.json()["minutes"])


def crossings(leads: list[dict[str, Any]]) -> list[int]:
    return [lead["number_of_zero_crossings"] for lead in leads]


def zero_crossings(lead: Lead) -> int:
    """Count a lead's zero crossings, according to their definition."""
    signs = np.sign(lead.signal)
    return int(np.count_nonzero((signs[1:] != signs[:-1]) & (signs[:-1] != 0)))
