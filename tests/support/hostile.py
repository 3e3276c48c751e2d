"""Answers and dead letters that hostile clients get."""

import asyncio

import httpx
from aiokafka import AIOKafkaConsumer

from shared.kafka.topics import Topics
from tests.support.harness import Pipeline, eventually


async def dead_letters(target: Pipeline, count: int, of: set[tuple[str, str]] | None = None) -> list[dict[str, str]]:
    """Wait for a number of dead letters, only from these partitions and offsets if given; return their headers."""
    consumer = AIOKafkaConsumer(
        Topics(target.settings).dlq.name,
        **target.kafka,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 25,
    )
    await consumer.start()
    found: list[dict[str, str]] = []
    try:
        async with asyncio.timeout(60):
            while len(found) < count:
                record = await consumer.getone()
                headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
                # A message that was forwarded became a dead letter at another place than the original one.
                _, *origin = headers.get("forwarded-from", "").rsplit("-", 2)
                source = tuple(origin) or (headers["dlq-source-partition"], headers["dlq-source-offset"])
                if of is None or source in of:
                    found.append(headers)
    finally:
        await consumer.stop()
    return found


async def found(client: httpx.AsyncClient, ecg_id: str) -> None:
    async def probe() -> bool | None:
        return True if (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 200 else None

    await eventually(probe, what=f"insights of {ecg_id}")
