"""Messages that tests produce, and what becomes of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer

from shared.kafka.clients import partition_for
from shared.kafka.topics import Topics
from tests.support.conditions import DEADLINE, eventually
from tests.support.pipeline import PARTITIONS, Pipeline


def message(username: str, ecg_id: str | None = None, **fields: Any) -> dict[str, Any]:
    ecg_id = ecg_id or str(uuid.uuid4())
    return {"id": ecg_id, "username": username, "leads": [{"name": "I", "signal": [1, -1]}], **fields}


async def found(pipeline: Pipeline, token: str, ecg_id: str) -> list[dict[str, Any]]:
    """Wait for an ECG's insights: until they are there, the answer is 202, or 404 for an id of the producer's own."""
    async with pipeline.client(token=token) as client:

        async def probe() -> list[dict[str, Any]] | None:
            response = await client.get(f"/ecgs/{ecg_id}/insights")
            assert response.status_code in (200, 202, 404), response.text
            return list(response.json()["leads"]) if response.status_code == 200 else None

        return await eventually(probe, what=f"insights of {ecg_id}")


@asynccontextmanager
async def reading_dead_letters(pipeline: Pipeline) -> AsyncIterator[AsyncIterator[tuple[Any, dict[str, str]]]]:
    """Read all dead letters, from the first and without an end, each with its headers as text."""
    consumer = AIOKafkaConsumer(
        Topics(pipeline.settings).dlq.name,
        **pipeline.kafka,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 25,
    )

    async def letters() -> AsyncIterator[tuple[Any, dict[str, str]]]:
        async for record in consumer:
            headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
            # A mark is no letter.
            if "dlq-source-offset" in headers:
                yield record, headers

    async with consumer:
        yield letters()


async def dead_letter(pipeline: Pipeline, offset: int, partition: int) -> tuple[Any, dict[str, str]]:
    """Wait for the dead letter of a record, and return it with its headers."""
    async with reading_dead_letters(pipeline) as letters, asyncio.timeout(DEADLINE):
        async for record, headers in letters:
            if headers["dlq-source-offset"] == str(offset) and headers["dlq-source-partition"] == str(partition):
                assert headers["dlq-source-topic"] == Topics(pipeline.settings).submissions.name
                return record, headers
    raise AssertionError("no dead letter")


PARTITION = 1


def messages(username: str, count: int) -> list[dict[str, object]]:
    """Return messages with ids that belong to the partition."""
    made: list[dict[str, object]] = []
    while len(made) < count:
        body = message(username)
        if partition_for(body["id"].encode(), PARTITIONS) == PARTITION:
            made.append(body)
    return made
