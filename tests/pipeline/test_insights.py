"""The values that an insight may return; one that returns or raises anything else leaves the others as they are."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.messages import insights as insights_message
from tests.support.conditions import eventually
from tests.support.ecgs import insights, insights_through_failover
from tests.support.heartbeats import digitised, regular, signals
from tests.support.messages import found
from tests.support.pipeline import PARTITIONS, NewPipeline, Pipeline

# A worker with an additional insight: the first sample of the ECG chooses what it returns or raises.
WILD = """
import numpy as np
from stream_agents import insights
from stream_agents.__main__ import main
from stream_agents.insights.contract import Insight

class Panic(BaseException):
    pass

def panic():
    raise Panic("sample 77777777")

def endless():
    while True:
        yield 1

itself = []
itself.append(itself)
KINDS = dict(enumerate([...]))

def wild(recording):
    leads = recording.leads
    return KINDS.get(int(leads[0].signal[0]), lambda: [0] * len(leads))()

insights.INSIGHTS["wild"] = Insight(name="wild", version=1, scope="lead", result=object, compute=wild)
main()
"""

# Expressions that the insight returns for two leads, and the value in the answer for each lead.
JSON: dict[str, list[Any]] = {
    "np.arange(2)": [0, 1],
    "[np.int64(-3), np.uint64(2**64 - 1)]": [-3, 2**64 - 1],
    "[np.float64(0.5), np.float32(0.25)]": [0.5, 0.25],
    "[np.bool_(True), np.str_('a')]": [True, "a"],
    "[float('nan'), np.float64('-inf')]": [None, None],
    "np.array([[1, np.nan], [np.inf, 2]])": [[1.0, None], [None, 2.0]],
    "[np.arange(6)[::2], np.zeros(0)]": [[0, 2, 4], []],
    "[np.array(3), np.ma.masked]": [3, None],
    "[{'at': [np.int16(7)]}, (1, 'b')]": [{"at": [7]}, [1, "b"]],
}
NO_VALUES = [
    "panic()",
    "1 // 0",
    "None",
    "[]",
    "[1]",
    "[1, 2, 3]",
    "endless()",
    "[1, object()]",
    "[1, 1j]",
    "[1, np.complex128(1)]",
    "[1, np.longdouble(1)]",
    "[1, 2**64]",
    "[1, b'bytes']",
    "[1, {77777777}]",
    "[1, {77777777: 1}]",
    "[1, chr(0xd800)]",
    "[1, itself]",
    "[1, (x for x in [1])]",
]
TOO_LARGE = ["['x' * 2**20, 1]", "np.zeros((2, 2**19))"]
# With the other fields of a row of two leads it is a little smaller than the limit.
LARGEST = f"['x' * ({insights_message.MAX_BYTES} - 400), 1]"
KINDS = [*JSON, *NO_VALUES, *TOO_LARGE, LARGEST]
PROGRAM = WILD.replace("...", ", ".join(f"lambda: {kind}" for kind in KINDS))

CLINIC = "clinic"
DIRECT, HTTP = "produced", "over HTTP"
BOTH = pytest.mark.parametrize("way", [DIRECT, HTTP])


def leads(kind: str | None = None) -> list[dict[str, Any]]:
    first = KINDS.index(kind) if kind else -1
    return [{"name": "I", "signal": [first, 77777777]}, {"name": "II", "signal": [1]}]


@pytest_asyncio.fixture(scope="module")
async def wild(new_module_pipeline: NewPipeline) -> AsyncIterator[Pipeline]:
    pipeline = new_module_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker(PROGRAM)
    await pipeline.ready()
    yield pipeline


@pytest_asyncio.fixture(scope="module")
async def token(wild: Pipeline) -> str:
    return await wild.register(CLINIC)


@pytest_asyncio.fixture(scope="module")
async def producer(wild: Pipeline) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**wild.kafka, max_request_size=1 << 26, compression_type="gzip")
    await producer.start()
    yield producer
    await producer.stop()


async def produce(pipeline: Pipeline, producer: AIOKafkaProducer, ecg_id: str, of: list[dict[str, Any]]) -> Any:
    value = orjson.dumps({"id": ecg_id, "username": CLINIC, "leads": of})
    return await producer.send_and_wait(Topics(pipeline.settings).submissions.name, value, ecg_id.encode())


async def submit(pipeline: Pipeline, producer: AIOKafkaProducer, token: str, way: str, kind: str) -> str:
    """Submit an ECG over HTTP or produce it onto Kafka, and return its id."""
    if way == DIRECT:
        ecg_id = str(uuid.uuid4())
        await produce(pipeline, producer, ecg_id, leads(kind))
        return ecg_id
    async with pipeline.client(token=token) as client:
        response = await client.post("/ecgs", json={"leads": leads(kind)})
    assert response.status_code == 201
    return str(response.json()["id"])


async def failure(pipeline: Pipeline, token: str, ecg_id: str) -> str:
    """Wait until an ECG has failed, and return the reason."""
    async with pipeline.client(token=token) as client:

        async def probe() -> str | None:
            response = await client.get(f"/ecgs/{ecg_id}/insights")
            assert response.status_code in (202, 404, 422), response.text[:200]
            return str(response.json()["detail"]) if response.status_code == 422 else None

        return await eventually(probe, what=f"why {ecg_id} failed")


async def letter(pipeline: Pipeline, key: str) -> tuple[Any, dict[str, str]]:
    """Wait for the dead letter with this key, and return it with its headers."""
    consumer = AIOKafkaConsumer(Topics(pipeline.settings).dlq.name, **pipeline.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                if record.key == key.encode():
                    return record, {name: value.decode() for name, value in record.headers}
    finally:
        await consumer.stop()
    raise AssertionError("no dead letter")


async def goes_on(pipeline: Pipeline, producer: AIOKafkaProducer, token: str, partition: int) -> None:
    """Check that the partition moves on: a later ECG in it must get its insights from the same worker."""
    later = next(
        name for i in range(1000) if partition_for((name := f"{uuid.uuid4()}-{i}").encode(), PARTITIONS) == partition
    )
    await produce(pipeline, producer, later, leads())
    assert [lead["name"] for lead in await found(pipeline, token, later)] == ["I", "II"]
    assert pipeline.workers[0].running.poll() is None
    assert "storing a batch again" not in pipeline.workers[0].log.read_text()


@BOTH
@pytest.mark.parametrize("kind", JSON)
async def test_numpy_values_are_answered_as_json(
    wild: Pipeline, token: str, producer: AIOKafkaProducer, way: str, kind: str
) -> None:
    ecg_id = await submit(wild, producer, token, way, kind)
    async with wild.client(token=token) as client:

        async def probe() -> list[Any] | None:
            response = await client.get(f"/ecgs/{ecg_id}/insights")
            assert response.status_code in (200, 202, 404), response.text[:200]
            return [lead["wild"] for lead in response.json()["leads"]] if response.status_code == 200 else None

        assert await eventually(probe, what=f"insights of {ecg_id}") == JSON[kind]
        listed = (await client.get("/ecgs", params={"limit": 1})).json()["ecgs"][0]
        # Lists show the insights that are a single value.
        values = [None if isinstance(value, dict | list) else value for value in JSON[kind]]
        assert (listed["id"], [lead.get("wild") for lead in listed["leads"]]) == (ecg_id, values)
        assert [lead["name"] for lead in listed["leads"]] == ["I", "II"]


@BOTH
@pytest.mark.parametrize("kind", [*NO_VALUES, *TOO_LARGE])
async def test_an_invalid_insight_leaves_the_others_and_its_partition_alone(
    wild: Pipeline, token: str, producer: AIOKafkaProducer, way: str, kind: str
) -> None:
    ecg_id = await submit(wild, producer, token, way, kind)
    assert [lead.keys() for lead in await found(wild, token, ecg_id)] == [{"name", "number_of_zero_crossings"}] * 2
    async with wild.client(token=token) as client:
        answer = (await client.get(f"/ecgs/{ecg_id}/insights")).json()
    reason = answer["not_computed"]["wild"]
    if kind in TOO_LARGE:
        assert reason == f"the row would be larger than {insights_message.MAX_BYTES} bytes"
    else:
        assert reason.startswith("failed (")
    await goes_on(wild, producer, token, partition_for(ecg_id.encode(), PARTITIONS))
    assert "77777777" not in str(answer)
    assert "77777777" not in wild.workers[0].log.read_text()


async def test_without_any_insight_because_it_fails_an_ecg_is_a_dead_letter(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker(PROGRAM.replace("main()", "del insights.INSIGHTS['number_of_zero_crossings']; main()"))
    await pipeline.ready()
    token = await pipeline.register(CLINIC)
    for kind, error_class in (("1 // 0", "ComputationError"), (TOO_LARGE[0], "RowTooLarge")):
        async with pipeline.client(token=token) as client:
            ecg_id = (await client.post("/ecgs", json={"leads": leads(kind)})).json()["id"]
            reason = await failure(pipeline, token, ecg_id)
            response = await client.get(f"/ecgs/{ecg_id}")
            assert response.status_code == 200, "its signals are there still"
            assert response.json()["leads"][0]["signal"] == leads(kind)[0]["signal"]
        dead, headers = await letter(pipeline, ecg_id)
        assert headers["dlq-error-class"] == error_class
        assert headers["dlq-error-message"] == reason
        assert "77777777" not in reason
        assert dead.value


async def test_the_insights_of_a_worker_are_chosen(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    pipeline.start_worker(ECG_INSIGHTS="rhythm")
    await pipeline.ready()
    token = await pipeline.register(CLINIC)
    async with pipeline.client(token=token) as client:
        [signal] = digitised(signals(regular(0.8, 10), 500, 10)[1:2])
        body = {"sampling_rate": 500, "leads": [{"name": "II", "adc_gain": 1000, "signal": signal.tolist()}]}
        ecg_id = (await client.post("/ecgs", json=body)).json()["id"]
        assert await insights(client, ecg_id) == [{"name": "II"}]
        answer = (await client.get(f"/ecgs/{ecg_id}/insights")).json()
        assert answer["versions"].keys() == answer["ecg"].keys() == {"rhythm"}
        assert answer["ecg"]["rhythm"]["heart_rate_bpm"] == pytest.approx(75, abs=1)
        listed = (await client.get("/ecgs")).json()["ecgs"][0]
        assert listed["summary"] == {"heart_rate_bpm": answer["ecg"]["rhythm"]["heart_rate_bpm"]}


async def test_a_worker_refuses_an_insight_that_does_not_exist(new_pipeline: NewPipeline) -> None:
    worker = new_pipeline().start_worker(ECG_INSIGHTS="rythm")
    assert worker.running.wait(30) == 1
    assert "'rythm' is not an insight: choose from number_of_zero_crossings, quality, rhythm" in worker.log.read_text()


@pytest.mark.slow
async def test_the_largest_row_is_answered_and_recovered(new_pipeline: NewPipeline) -> None:
    pipeline = new_pipeline()
    pipeline.start_gateway()
    worker = pipeline.start_worker(PROGRAM)
    await pipeline.ready()
    token = await pipeline.register(CLINIC)
    async with pipeline.client(token=token) as client:
        response = await client.post("/ecgs", json={"leads": leads(LARGEST)})
        ecg_id = response.json()["id"]
        answer = await insights(client, ecg_id)
        assert insights_message.MAX_BYTES - 400 < len(answer[0]["wild"]) + 400 <= insights_message.MAX_BYTES
        worker.stop()
        pipeline.start_worker()
        await pipeline.ready()
        assert await insights_through_failover(client, ecg_id) == answer
        assert (await client.get("/ecgs")).json()["ecgs"][0]["leads"][0]["wild"] == answer[0]["wild"]
