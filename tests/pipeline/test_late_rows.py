"""Rows that a worker writes late, when it was cut off from the group, replace none of those of later messages.

What such a worker writes is taken from the topic, and written again later, as it was.
"""

import shutil
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.kafka.topics import Topics
from shared.messages.recordings import is_part, recording_of
from tests.support.conditions import eventually
from tests.support.ecgs import crossings, insights
from tests.support.pipeline import NewPipeline, Pipeline

RATE, COUNT = 125, 1500
SIGNAL = np.random.default_rng(1).integers(-3, 4, COUNT).tolist()
LEADS = [{"name": "I", "signal": [1, -1]}]


@pytest_asyncio.fixture
async def own(new_pipeline: NewPipeline) -> AsyncIterator[tuple[Pipeline, httpx.AsyncClient]]:
    """A pipeline of one gateway and one worker, and a client."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    async with pipeline.client(token=await pipeline.register("clinic")) as client:
        yield pipeline, client


async def records_of(pipeline: Pipeline, row_id: str) -> list[ConsumerRecord]:
    """Return the records of an ECG's or a recording's row and of its parts, in order."""
    topic = Topics(pipeline.settings).insights
    tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    found: list[ConsumerRecord] = []
    async with AIOKafkaConsumer(**pipeline.kafka, enable_auto_commit=False) as consumer:
        consumer.assign(tps)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [each for each in records if recording_of(each.key) == row_id.encode()]
    return found


async def write_late(pipeline: Pipeline, records: Sequence[ConsumerRecord]) -> None:
    """Write records to the changelog once more, as they are."""
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        for each in records:
            await producer.send_and_wait(
                each.topic, each.value, each.key, each.partition, headers=[tuple(header) for header in each.headers]
            )


async def last_records_count(pipeline: Pipeline, row_id: str) -> None:
    """Wait until the last record of every key is the one of the latest message, as compaction keeps only that."""

    async def probe() -> bool | None:
        newest: dict[bytes, int] = {}
        last: dict[bytes, int] = {}
        for record in await records_of(pipeline, row_id):
            message = int(dict(record.headers)["message-offset"])
            newest[record.key] = max(message, newest.get(record.key, message))
            last[record.key] = message
        return True if last == newest else None

    await eventually(probe, 30, what="the latest rows at the end of the topic")


async def taken_over(pipeline: Pipeline, *, with_files: bool) -> None:
    """Replace the worker by another one, which reads what was written late."""
    worker = pipeline.workers[0]
    worker.stop()
    if not with_files:
        shutil.rmtree(worker.env["ECG_DATA_DIR"])
    worker.start()
    await pipeline.ready()


async def add(client: httpx.AsyncClient, path: str, first: int, end: int) -> None:
    lead = {"name": "II", "adc_gain": 200, "signal": SIGNAL[first:end]}
    chunk = {"first_sample": first, "sampling_rate": RATE, "leads": [lead]}
    response = await client.post(f"{path}/chunks", json=chunk)
    assert response.status_code == 201, response.text


async def reached(client: httpx.AsyncClient, path: str, end: int, *, final: bool = False) -> dict[str, Any]:
    async def probe() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"{path}/insights", headers={"prefer": "wait=5"})).json()
        return found if found.get("complete_until") == end and found["final"] is final else None

    return await eventually(probe, what=f"{end} samples")


@pytest.mark.slow
async def test_a_recording_loses_no_chunk_by_rows_that_are_written_late(
    own: tuple[Pipeline, httpx.AsyncClient],
) -> None:
    pipeline, client = own
    body = {"sampling_rate": RATE, "leads": [{"name": "II", "adc_gain": 200}]}
    recording_id = (await client.post("/recordings", json=body)).json()["id"]
    path = f"/recordings/{recording_id}"
    await add(client, path, 0, 500)
    await reached(client, path, 500)
    early = await records_of(pipeline, recording_id)
    assert any(is_part(record.key) for record in early)
    await add(client, path, 500, 1000)
    await reached(client, path, 1000)
    await write_late(pipeline, early)
    await taken_over(pipeline, with_files=True)
    await add(client, path, 1000, COUNT)
    assert (await client.post(f"{path}/end", json={"number_of_samples": COUNT})).status_code == 201
    found = await reached(client, path, COUNT, final=True)
    assert (found["gaps"], found["revision"]) == ([], 0)
    assert [lead["number_of_zero_crossings"] for lead in found["leads"]] == [crossings(SIGNAL)]
    await write_late(pipeline, early)
    await last_records_count(pipeline, recording_id)
    assert await reached(client, path, COUNT, final=True) == found
    signals = (await client.get(f"{path}/signals")).json()["leads"][0]["signal"]
    assert signals == SIGNAL
    await taken_over(pipeline, with_files=False)
    assert await reached(client, path, COUNT, final=True) == found
    assert (await client.get(f"{path}/signals")).json()["leads"][0]["signal"] == SIGNAL


async def test_an_erased_ecg_or_recording_does_not_come_back_by_rows_that_are_written_late(
    own: tuple[Pipeline, httpx.AsyncClient],
) -> None:
    pipeline, client = own
    ecg_id = (await client.post("/ecgs", json={"leads": LEADS})).json()["id"]
    await insights(client, ecg_id)
    body = {"sampling_rate": RATE, "leads": [{"name": "II", "adc_gain": 200}]}
    recording_id = (await client.post("/recordings", json=body)).json()["id"]
    await add(client, f"/recordings/{recording_id}", 0, COUNT)
    await reached(client, f"/recordings/{recording_id}", COUNT)
    early = [*await records_of(pipeline, ecg_id), *await records_of(pipeline, recording_id)]
    for path in (f"/ecgs/{ecg_id}", f"/recordings/{recording_id}"):
        assert (await client.delete(path)).status_code == 204
    await write_late(pipeline, early)
    for row_id in (ecg_id, recording_id):
        await last_records_count(pipeline, row_id)
    for rebuild in (False, True):
        if rebuild:
            await taken_over(pipeline, with_files=False)
        answers = [
            await client.get(path) for path in (f"/ecgs/{ecg_id}/insights", f"/recordings/{recording_id}/insights")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert (await client.get("/ecgs")).json()["ecgs"] == []
        assert (await client.get("/recordings")).json()["recordings"] == []
    parts = {record.key: record.value for record in await records_of(pipeline, recording_id) if is_part(record.key)}
    assert set(parts.values()) == {None}
    assert "writing rows again" in pipeline.workers[0].log.read_text()
