"""A Kafka consumer without a group."""

import asyncio

from aiokafka import AIOKafkaConsumer
from typing_extensions import override


class TopicReader(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer that can be closed at any time."""

    @override
    async def stop(self) -> None:
        """Close the connections.

        aiokafka raises CancelledError, and leaves them open, while a fetch waits after an error, or has not begun: see
        docs/upstream.md. It would replace the error for which the caller closes the consumer.
        """
        try:
            await super().stop()
        except asyncio.CancelledError:
            await self._client.close()
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
