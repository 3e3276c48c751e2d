"""FastStream: batches in, results published; it has no table."""

import asyncio
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.peers.insights import GROUP, SERVERS, TOPIC, insights

# A batch that is larger than the producer's default of 16 KiB is an error here.
broker = KafkaBroker(SERVERS, acks="all", enable_idempotence=True, max_batch_size=1_000_000, logger=None)


async def as_received(message: KafkaMessage) -> Any:
    """Leave the bodies as they are."""
    return message.body


@broker.publisher(f"{GROUP}-out", batch=True)
@broker.subscriber(
    TOPIC, group_id=GROUP, auto_offset_reset="earliest", batch=True, max_records=128, decoder=as_received
)
async def process(bodies: list[bytes]) -> tuple[dict[str, Any], ...]:
    """Return the insights of a batch."""
    return tuple(insights(body) for body in bodies)


if __name__ == "__main__":
    asyncio.run(FastStream(broker).run())
