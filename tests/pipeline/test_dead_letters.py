"""A message that does not fit into a dead letter does not stop its partition, for instance after decompression."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from shared.kafka.clients import message_size, partition_for
from shared.kafka.topics import Topics
from shared.settings import MIB
from tests.support.messages import dead_letter, found, message
from tests.support.pipeline import PARTITIONS, Pipeline

Headers = list[tuple[str, bytes]]

LARGEST_BODY = 1 << 16
# More than the topic of dead letters accepts, and a few kilobytes when compressed.
BOMB = b" " * (LARGEST_BODY + 3 * MIB)


@pytest_asyncio.fixture(scope="module")
async def small(new_module_pipeline: Callable[..., Pipeline]) -> AsyncIterator[Pipeline]:
    pipeline = new_module_pipeline(ECG_MAX_BODY_BYTES=str(LARGEST_BODY))
    pipeline.start_gateway()
    pipeline.start_worker()
    await pipeline.ready()
    yield pipeline


@pytest_asyncio.fixture(scope="module")
async def token(small: Pipeline) -> str:
    return await small.register("lab")


def producer(pipeline: Pipeline, compression: str | None) -> AIOKafkaProducer:
    return AIOKafkaProducer(**pipeline.kafka, max_request_size=1 << 26, compression_type=compression)


async def goes_on(pipeline: Pipeline, token: str, partition: int) -> None:
    """Check that the partition moves on: a later ECG in it must get its insights."""
    later = next(name for _ in range(1000) if partition_for((name := str(uuid.uuid4())).encode(), 12) == partition)
    async with producer(pipeline, None) as sender:
        value = orjson.dumps(message("lab", later))
        await sender.send_and_wait(Topics(pipeline.settings).submissions.name, value, later.encode())
    assert await found(pipeline, token, later)
    assert "storing a batch again" not in pipeline.workers[0].log.read_text()


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", BOMB, []),
        (b"k", orjson.dumps(message("lab")) + BOMB, []),
        (BOMB, b"?", []),
        (b"k", b"?", [("padding", b" " * 100)] * 40_000),
    ],
    ids=["value", "ECG", "key", "headers"],
)
async def test_a_message_too_large_for_a_dead_letter_is_left_out_of_it(
    small: Pipeline, token: str, key: bytes, value: bytes, headers: Headers
) -> None:
    async with producer(small, "gzip") as sender:
        topic = Topics(small.settings).submissions.name
        sent = await sender.send_and_wait(topic, value, key, partition=3, headers=headers)
    await goes_on(small, token, 3)
    letter, said = await dead_letter(small, sent.offset, 3)
    assert (letter.key, letter.value) == (None, b"")
    assert {name for name, _ in letter.headers if not name.startswith("dlq-")} == set()
    assert int(said["dlq-left-out-bytes"]) == message_size(key, value, headers)
    assert said["dlq-error-class"] == "InvalidEcg"


async def test_a_message_with_neither_key_nor_value_is_a_dead_letter(small: Pipeline, token: str) -> None:
    """aiokafka cannot send such a message; librdkafka and Java clients can."""
    offsets: list[int | None] = []
    sender = Producer(small.librdkafka)
    topic = Topics(small.settings).submissions.name
    sender.produce(topic, partition=1, on_delivery=lambda _, record: offsets.append(record.offset()))
    assert await asyncio.to_thread(sender.flush, 20) == 0
    (offset,) = offsets
    assert offset is not None
    await goes_on(small, token, 1)
    letter, said = await dead_letter(small, offset, 1)
    assert (letter.key, letter.value) == (None, b"")
    assert said["dlq-error-message"] == "value: is empty"


@pytest.mark.parametrize("misplaced", [False, True], ids=["no ECG", "misplaced"])
async def test_the_largest_message_with_the_most_headers_fits_into_a_dead_letter(
    small: Pipeline, token: str, misplaced: bool
) -> None:
    """With many small headers, most of the size is Kafka's own overhead for each."""
    ecg = message("lab")
    value = orjson.dumps(ecg).ljust(LARGEST_BODY) if misplaced else b" " * LARGEST_BODY
    key = ecg["id"].encode()
    partition = (partition_for(key, PARTITIONS) + misplaced) % PARTITIONS
    topics = Topics(small.settings)
    room = int(topics.submissions.config["max.message.bytes"]) - message_size(key, value)
    headers: Headers = [("a", b"")] * (
        room // (message_size(None, None, [("a", b"")] * 2) - message_size(None, None, [("a", b"")])) - 1
    )
    async with producer(small, None) as sender:
        sent = await sender.send_and_wait(topics.submissions.name, value, key, partition=partition, headers=headers)
    await goes_on(small, token, partition)
    letter, said = await dead_letter(small, sent.offset, partition)
    assert (letter.key, letter.value) == (key, value)
    assert [header for header in letter.headers if not header[0].startswith("dlq-")] == headers
    assert said["dlq-error-class"] == ("Misplaced" if misplaced else "InvalidEcg")
