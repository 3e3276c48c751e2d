"""The original records of ECGs whose insights are computed again, read from the submissions topic."""

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer
from mode import Service
from typing_extensions import override

from shared.kafka.record_reader import new_record_reader, read_record, start
from shared.kafka.topics import Topics
from shared.settings import Settings
from stream_agents.processing.batch_processor import BatchProcessor
from stream_agents.processing.record import Record, received


class Originals(Service):
    """Replaces recomputations by the records that they name.

    Args:
        settings: of the worker.
        topics: of the deployment.
        processor: knows which rows are outdated.
    """

    def __init__(self, settings: Settings, topics: Topics, processor: BatchProcessor) -> None:
        super().__init__()
        self._settings = settings
        self._partitions = topics.submissions.all_partitions()
        self._processor = processor
        self._reader: AIOKafkaConsumer | None = None

    async def in_place(self, records: Sequence[Record]) -> list[Record]:
        """Return records with the original in place of each recomputation, which is left out if there is nothing to do.

        Raises:
            KafkaError: if the broker does not answer.
        """
        found: list[Record] = []
        for record in records:
            if not record.is_recomputation:
                found.append(record)
            elif (offset := self._processor.outdated_at(record)) is not None:
                original = await self._read(record.partition, offset)
                if original is not None:
                    found.append(original)
        return found

    @override
    async def on_stop(self) -> None:
        """Close the connection."""
        await self._close()

    async def _read(self, partition: int, offset: int) -> Record | None:
        try:
            reader = await self._ready_reader()
            record = await read_record(reader, self._partitions[partition], offset)
        except BaseException:
            # Not kept: the next read would wait for a request that may still be under way.
            await self._close()
            raise
        return None if record is None else msgspec.structs.replace(received(record), recomputes=True)

    async def _ready_reader(self) -> AIOKafkaConsumer:
        if self._reader is None:
            self._reader = new_record_reader(self._settings)
            await start(self._reader, self._partitions)
        return self._reader

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.stop()
