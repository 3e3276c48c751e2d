"""Where partitions end, asked over a connection of its own."""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer
from faust.types import TP

from shared.kafka import new_reader
from shared.settings import Settings


class Ends:
    """Asks brokers for the ends of partitions.

    On the connection of the worker's consumer the question would wait behind a fetch that waits for records.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting = asyncio.Lock()
        self._reader: AIOKafkaConsumer | None = None

    async def of(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Return the offsets after the last record of each partition.

        Raises:
            KafkaError: if the brokers cannot be asked.
        """
        async with self._starting:
            if self._reader is None:
                reader = new_reader(self._settings)
                try:
                    await reader.start()
                except BaseException:  # also when who asked has waited long enough
                    await reader.stop()
                    raise
                self._reader = reader
        ends: Mapping[TP, int] = await self._reader.end_offsets(list(tps))
        return ends

    async def stop(self) -> None:
        """Close the connections."""
        if self._reader is not None:
            await self._reader.stop()
