"""The limit of asyncio: aiokafka only reads."""

import asyncio

from aiokafka import AIOKafkaConsumer

from benchmarks.peers.insights import GROUP, SERVERS, TOPIC
from benchmarks.peers.progress import Progress


async def main() -> None:
    """Read until the process is killed."""
    progress = Progress()
    async with AIOKafkaConsumer(
        TOPIC, bootstrap_servers=SERVERS, group_id=GROUP, auto_offset_reset="earliest"
    ) as consumer:
        while True:
            batches = await consumer.getmany(timeout_ms=500)
            progress.advance(sum(len(batch) for batch in batches.values()))


if __name__ == "__main__":
    asyncio.run(main())
