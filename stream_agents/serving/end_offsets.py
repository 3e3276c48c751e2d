"""Where partitions end, asked over a connection of its own."""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer
from faust.types import TP

from shared.kafka.clients import new_reader
from shared.settings import Settings


class Ends:
    """Asks brokers for the ends of partitions.

    On the connection of the worker's consumer the question would wait behind a fetch that waits for records.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting = asyncio.Lock()
        self._reader: AIOKafkaConsumer | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def of(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Return the offsets after the last record of each partition.

        Raises:
            KafkaError: if the brokers cannot be asked.
        """
        reader = await self._open()
        try:
            ends: Mapping[TP, int] = await reader.end_offsets(list(tps))
        except BaseException:  # also when who asked has waited long enough: a node that froze says nothing
            self._give_up(reader)
            raise
        return ends

    async def stop(self) -> None:
        """Close the connections."""
        if self._reader is not None:
            await self._reader.stop()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _open(self) -> AIOKafkaConsumer:
        async with self._starting:
            if self._reader is None:
                reader = new_reader(self._settings)
                try:
                    await reader.start()
                except BaseException:  # also when who asked has waited long enough
                    await reader.stop()
                    raise
                self._reader = reader
            return self._reader

    def _give_up(self, reader: AIOKafkaConsumer) -> None:
        leaving = asyncio.create_task(reader.stop())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        # It would go on asking the same node; a new one learns who leads now.
        if self._reader is reader:
            self._reader = None
