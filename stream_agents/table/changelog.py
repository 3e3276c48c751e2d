"""A reader that applies the table's changelog to its local copies."""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from mode import Service
from typing_extensions import override

from shared.kafka.clients import new_reader
from shared.settings import Settings
from stream_agents.faust_fixes.recovery import CopiesReader
from stream_agents.table.rocksdb import Store

log = structlog.get_logger(__name__)

_POLL_MS = 1000
# A waiting fetch delays the first fetch after an assignment, and so a hand-over.
_FETCH_MAX_WAIT_MS = 100
_RECORDS_AT_A_TIME = 1024
_PAUSE_AFTER_ERROR = 0.5


class ChangelogReader(CopiesReader):
    """Applies the changelog to local copies, from their positions on, with a consumer of its own.

    It follows the partitions of which this worker is a standby, and reads others as far as `reach` asks. Whenever these
    partitions change, the consumer starts again at the positions of the copies, so that it cannot skip a record,
    whatever happened in between.

    Args:
        settings: hold the options of the Kafka consumer.
        topic: the changelog's name.
        store: the local copies.
        on_applied: is called with the rows that were applied, with their keys.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        store: Store,
        on_applied: Callable[[Iterable[tuple[bytes, bytes]]], None],
    ) -> None:
        super().__init__()
        self._settings = settings
        self._topic = topic
        self._store = store
        self._on_applied = on_applied
        self._followed: frozenset[int] = frozenset()
        self._waiting: dict[asyncio.Future[None], tuple[int, int]] = {}
        self._changed = asyncio.Event()

    @override
    def follow(self, partitions: Iterable[int]) -> None:
        """Follow exactly these partitions from now on."""
        self._followed = frozenset(partitions)
        self._release()
        self._changed.set()

    @override
    async def reach(self, partition: int, offset: int) -> None:
        """Return when every record below an offset has been applied, or the partition is no longer open here."""
        if not self._is_behind(partition, offset):
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = (partition, offset)
        self._changed.set()
        try:
            await reached
        finally:
            del self._waiting[reached]
            self._changed.set()

    def _is_behind(self, partition: int, offset: int) -> bool:
        return self._store.holds(partition) and self._store.position(partition) < offset

    def _release(self) -> None:
        for reached, (partition, offset) in self._waiting.items():
            if not reached.done() and not self._is_behind(partition, offset):
                reached.set_result(None)

    def _wanted(self) -> frozenset[int]:
        asked = {partition for partition, _ in self._waiting.values()}
        return frozenset(p for p in self._followed | asked if self._store.holds(p))

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                # No reset: a copy whose position is outside the changelog was made from another one.
                options = {"auto_offset_reset": "none", "fetch_max_wait_ms": _FETCH_MAX_WAIT_MS}
                async with new_reader(self._settings, **options) as consumer:
                    while not self.should_stop:
                        await self._read(consumer, self._wanted())
            except KafkaError as error:
                log.warning("reading the changelog again after an error", error=repr(error))
                await self.sleep(_PAUSE_AFTER_ERROR)

    async def _read(self, consumer: AIOKafkaConsumer, partitions: frozenset[int]) -> None:
        """Read partitions until the wanted ones change."""
        tps = {partition: TopicPartition(self._topic, partition) for partition in partitions}
        positions = {partition: self._store.position(partition) for partition in partitions}
        consumer.assign(list(tps.values()))
        for partition, position in positions.items():
            if position:
                consumer.seek(tps[partition], position)
            else:
                await consumer.seek_to_beginning(tps[partition])
        while not self.should_stop and self._wanted() == partitions:
            try:
                polled = await self._poll(consumer)
            except OffsetOutOfRangeError as error:
                for tp in error.args[0]:
                    self._store.build_anew(tp.partition, "the changelog does not have its position")
                return
            # The consumer's position also moves past transaction markers and compacted records, without a record.
            for partition in [tp.partition for tp in polled] or partitions:
                begin, end = positions[partition], await consumer.position(tps[partition])
                positions[partition] = end
                if self._store.holds(partition) and end > self._store.position(partition):
                    records = polled.get(tps[partition], [])
                    self._on_applied(self._store.apply(partition, records, begin, end))
            self._release()

    async def _poll(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return the next records, or none as soon as the wanted partitions may have changed."""
        self._changed.clear()
        changed = asyncio.create_task(self._changed.wait())
        if not consumer.assignment():
            await changed
            return {}
        polling = asyncio.create_task(consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS_AT_A_TIME))
        try:
            await asyncio.wait({polling, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A poll that has taken records is done, so cancelling loses none.
            for task in (polling, changed):
                task.cancel()
            await asyncio.wait({polling})
        return {} if polling.cancelled() else polling.result()
