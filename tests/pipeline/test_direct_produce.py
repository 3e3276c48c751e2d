"""ECGs produced straight onto the topic, by different clients, in both encodings, valid and invalid."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Producer

from shared.ecg import Ecg, Lead
from shared.encoding import packed, plain
from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from tests.support.conditions import DEADLINE, eventually
from tests.support.ecgs import EXAMPLES
from tests.support.messages import dead_letter, found, message
from tests.support.pipeline import PARTITIONS, SECRET, Pipeline

Headers = list[tuple[str, bytes]]


@pytest_asyncio.fixture(scope="module")
async def producer(pipeline: Pipeline) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**pipeline.kafka, max_request_size=1 << 25)
    await producer.start()
    yield producer
    await producer.stop()


async def test_a_field_of_a_newer_producer_is_ignored(pipeline: Pipeline, producer: AIOKafkaProducer) -> None:
    token, topic = await pipeline.register("newer"), Topics(pipeline.settings).submissions.name
    ecg = message("newer", patient={"name": "?"})
    ecg["leads"][0]["unit"] = "mV"
    await producer.send_and_wait(topic, orjson.dumps(ecg), ecg["id"].encode())
    assert await found(pipeline, token, ecg["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


@pytest.mark.parametrize("encoding", [plain, packed], ids=["JSON", "packed"])
async def test_every_example_is_counted_in_both_encodings(
    pipeline: Pipeline, producer: AIOKafkaProducer, encoding: Any
) -> None:
    token = await pipeline.register("device")
    leads = tuple(Lead(f"lead {i}", np.array(signal, np.int64)) for i, (signal, _) in enumerate(EXAMPLES))
    ecg = Ecg(str(uuid.uuid4()), "device", None, leads)
    headers = [("content-type", encoding.CONTENT_TYPE.encode())]
    topic = Topics(pipeline.settings).submissions.name
    await producer.send_and_wait(topic, encoding.encode(ecg), ecg.id.encode(), headers=headers)
    assert await found(pipeline, token, ecg.id) == [
        {"name": f"lead {i}", "number_of_zero_crossings": count} for i, (_, count) in enumerate(EXAMPLES)
    ]


async def test_a_plain_message_without_headers_reaches_its_owner_alone(
    pipeline: Pipeline, producer: AIOKafkaProducer
) -> None:
    token, stranger = await pipeline.register("lab"), await pipeline.register("other-lab")
    body = message("lab")
    topic = Topics(pipeline.settings).submissions.name
    await producer.send_and_wait(topic, orjson.dumps(body), body["id"].encode())
    assert await found(pipeline, token, body["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]
    async with pipeline.client(token=stranger) as client:
        assert (await client.get(f"/ecgs/{body['id']}/insights")).status_code == 404


async def test_ecgs_of_librdkafka_clients_are_found_despite_another_partitioner(pipeline: Pipeline) -> None:
    token = await pipeline.register("rdkafka")
    topic = Topics(pipeline.settings).submissions.name
    producer = Producer({**pipeline.librdkafka})
    bodies = [message("rdkafka") for _ in range(30)]
    for body in bodies:
        producer.produce(topic, orjson.dumps(body), key=body["id"])
    assert await asyncio.to_thread(producer.flush, 20) == 0
    for body in bodies:
        assert await found(pipeline, token, body["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


@pytest.mark.parametrize("key", [None, b"another key", b"\xff"])
async def test_a_message_without_its_id_as_key_is_found_too(
    pipeline: Pipeline, producer: AIOKafkaProducer, key: bytes | None
) -> None:
    token, body = await pipeline.register("keyless"), message("keyless")
    await producer.send_and_wait(Topics(pipeline.settings).submissions.name, orjson.dumps(body), key, partition=0)
    assert await found(pipeline, token, body["id"]) == [{"name": "I", "number_of_zero_crossings": 1}]


ISSUED_TO_SOMEBODY = IdIssuer(SECRET).issue("somebody")
POISON: dict[str, tuple[bytes | None, Headers, str, str]] = {
    "nothing": (None, [], "InvalidEcg", "value"),
    "not JSON": (b"\x00\xff", [], "InvalidEcg", "body"),
    "a list": (b"[]", [], "InvalidEcg", "body"),
    "no id": (b'{"username": "poison", "leads": []}', [], "InvalidEcg", "id"),
    "no owner": (b'{"id": "poison-1", "leads": []}', [], "InvalidEcg", "username"),
    "no leads": (b'{"id": "poison-2", "username": "poison"}', [], "InvalidEcg", "leads"),
    "a broken signal": (
        b'{"id": "poison-3", "username": "poison", "leads": [{"name": "I", "signal": [77777777, 0.5]}]}',
        [],
        "InvalidEcg",
        "leads[0].signal",
    ),
    "an unknown encoding": (b"<xml/>", [("content-type", b"text/xml")], "UnknownEncoding", "content-type"),
    "broken packing": (b"\xc1", [("content-type", packed.CONTENT_TYPE.encode())], "InvalidEcg", "body"),
    "too large": (b" " * (16 * 1024 * 1024 + 1), [], "InvalidEcg", "value"),
    "an id issued to somebody else": (
        orjson.dumps(message("poison", ISSUED_TO_SOMEBODY)),
        [],
        "IdTaken",
        "id",
    ),
}


@pytest.mark.parametrize("kind", POISON)
async def test_poison_becomes_a_dead_letter_and_the_partition_moves_on(
    pipeline: Pipeline, producer: AIOKafkaProducer, kind: str
) -> None:
    value, headers, error_class, field = POISON[kind]
    topics = Topics(pipeline.settings)
    token = await pipeline.register("poison")
    good = message("poison")
    partition = partition_for(good["id"].encode(), PARTITIONS)
    key = next(
        (k for k in (b"poison-1", b"poison-2", b"poison-3", ISSUED_TO_SOMEBODY.encode()) if value and k in value), b"k"
    )
    target = partition_for(key, PARTITIONS) if key != b"k" else partition
    sent = [("trace", b"\x01\x02"), *headers]
    poison = await producer.send_and_wait(topics.submissions.name, value, key, partition=target, headers=sent)
    await producer.send_and_wait(topics.submissions.name, orjson.dumps(good), good["id"].encode())
    assert await found(pipeline, token, good["id"])

    record, reason = await dead_letter(pipeline, poison.offset, target)
    assert (record.key, record.value) == (key, value)
    assert ("trace", b"\x01\x02") in record.headers
    assert reason["dlq-error-class"] == error_class
    assert reason["dlq-error-message"].startswith(f"{field}: ")
    assert "77777777" not in reason["dlq-error-message"]


async def test_an_id_that_belongs_to_another_user_stays_theirs(pipeline: Pipeline, producer: AIOKafkaProducer) -> None:
    owner, thief = await pipeline.register("victim"), await pipeline.register("thief")
    topic = Topics(pipeline.settings).submissions.name
    mine = message("victim")
    await producer.send_and_wait(topic, orjson.dumps(mine), mine["id"].encode())
    assert await found(pipeline, owner, mine["id"])
    theirs = message("thief", mine["id"], leads=[{"name": "II", "signal": []}])
    stolen = await producer.send_and_wait(topic, orjson.dumps(theirs), mine["id"].encode())
    _, reason = await dead_letter(pipeline, stolen.offset, stolen.partition)
    assert reason["dlq-error-class"] == "IdTaken"
    assert (await found(pipeline, owner, mine["id"]))[0]["name"] == "I"
    async with pipeline.client(token=thief) as client:
        assert (await client.get(f"/ecgs/{mine['id']}/insights")).status_code == 404


async def test_an_accepted_ecg_that_cannot_be_processed_gets_the_reason(
    pipeline: Pipeline, producer: AIOKafkaProducer
) -> None:
    """For example, a worker cannot decode a message of a newer gateway."""
    token = await pipeline.register("unlucky")
    ecg_id = IdIssuer(SECRET).issue("unlucky")
    async with pipeline.client(token=token) as client:
        assert (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 202
        headers = [("content-type", b"application/vnd.ecg.v9"), ("username", b"unlucky")]
        topic = Topics(pipeline.settings).submissions.name
        await producer.send_and_wait(topic, b"?", ecg_id.encode(), headers=headers)

        async def probe() -> dict[str, Any] | None:
            response = await client.get(f"/ecgs/{ecg_id}/insights")
            assert response.status_code in (202, 422)
            return dict(response.json()) if response.status_code == 422 else None

        assert (await eventually(probe))["detail"].startswith("content-type: ")


async def test_insights_are_published_for_downstream_consumers(pipeline: Pipeline, producer: AIOKafkaProducer) -> None:
    token, body = await pipeline.register("published"), message("published")
    topics = Topics(pipeline.settings)
    begun = time.time()
    submitted = await producer.send_and_wait(topics.submissions.name, orjson.dumps(body), body["id"].encode())
    await found(pipeline, token, body["id"])
    consumer = AIOKafkaConsumer(topics.insights.name, **pipeline.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(DEADLINE):
            async for record in consumer:
                if record.key == body["id"].encode():
                    break
    finally:
        await consumer.stop()
    row = orjson.loads(record.value)
    assert begun - 1 < row.pop("accepted") / 1000 < time.time() + 1
    assert row == {
        "ecg_id": body["id"],
        "username": "published",
        "leads": [{"name": "I", "number_of_zero_crossings": 1}],
        "number_of_samples": [2],
        "offset": submitted.offset,
        "versions": {"number_of_zero_crossings": 1},
    }


@pytest.mark.parametrize("compression", ["gzip", "lz4", "snappy", "zstd"])
async def test_batches_may_be_compressed(pipeline: Pipeline, compression: str) -> None:
    token = await pipeline.register(f"compresses-{compression}")
    ecg = message(f"compresses-{compression}")
    producer = Producer({**pipeline.librdkafka, "compression.type": compression})
    producer.produce(
        Topics(pipeline.settings).submissions.name,
        key=ecg["id"],
        value=orjson.dumps(ecg | {"leads": [{"name": "I", "signal": [1, -1] * 500}]}),
    )
    assert await asyncio.to_thread(producer.flush, 20) == 0
    assert await found(pipeline, token, ecg["id"]) == [{"name": "I", "number_of_zero_crossings": 999}]
