"""FastStream: reads batches and publishes the results; it has no table."""

import asyncio
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.peers.insights import GROUP, SERVERS, TOPIC, insights

# With the producer's default of 16 KiB, FastStream raises an error for a larger batch.
broker = KafkaBroker(SERVERS, acks="all", enable_idempotence=True, max_batch_size=1_000_000, logger=None)


async def as_received(message: KafkaMessage) -> Any:
    """Return the bodies without decoding them."""
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
