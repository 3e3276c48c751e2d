"""Publishing, with a producer that is replaced when it is broken."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Histogram

from ingest_api import metrics
from ingest_api.kafka.closing import Closing
from shared.kafka.clients import new_producer
from shared.kafka.patience import attempts
from shared.kafka.producer_errors import PRODUCER_BROKEN
from shared.logging_setup import REQUEST_ID_HEADER, request_id
from shared.messages.headers import CONTENT_TYPE_HEADER
from shared.settings import Settings

log = structlog.get_logger(__name__)

Headers = Sequence[tuple[str, bytes]]


def headers_of(content_type: str) -> list[tuple[str, bytes]]:
    """Return the headers of a message: its content type, and the id of its request if there is one."""
    known = request_id.get()
    return [(CONTENT_TYPE_HEADER, content_type.encode()), *([(REQUEST_ID_HEADER, known.encode())] if known else [])]


class Publisher:
    """Publishes records; each is durable once the call returns."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = new_producer(settings)
        self._replacing = asyncio.Lock()
        self._closing = Closing()

    async def start(self) -> None:
        """Connect to the brokers.

        Raises:
            KafkaError: if they cannot be reached.
        """
        async for attempt in attempts():
            with attempt:
                await self._producer.start()

    async def stop(self) -> None:
        """Send what is still held, and close."""
        await self._producer.stop()
        await self._closing.end()

    async def publish(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        *,
        durations: Histogram = metrics.publishes,
        failures: Counter = metrics.publish_failures,
    ) -> int:
        """Publish a record, or a tombstone (None), wait for its acknowledgement, and return its offset.

        It goes to `partition`, or else to the partition of its key, or to any without a key.

        Raises:
            KafkaError: if it is not acknowledged, although it may have been stored.
        """
        begun = perf_counter()
        while True:
            producer = self._producer
            try:
                # A caller that stops waiting cancels the future of the acknowledgement; the record is still sent. The
                # future has no name, because a failed one refers to this frame: together they would keep the record.
                metadata = await (await producer.send(topic, value, key, partition, headers=list(headers)))
            except PRODUCER_BROKEN as error:
                await self._replace(producer, error)
            except (KafkaError, asyncio.CancelledError):
                failures.inc()
                raise
            else:
                durations.observe(perf_counter() - begun)
                return int(metadata.offset)

    async def _replace(self, broken: AIOKafkaProducer, error: Exception) -> None:
        async with self._replacing:
            if self._producer is not broken:
                return  # another call was first
            log.warning("replacing the producer", error=repr(error))
            fresh = new_producer(self._settings)
            await fresh.start()
            self._producer = fresh
            self._closing.begin(broken.stop())
