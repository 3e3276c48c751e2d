"""Distribution of new records on the topic of insights to the event streams of their owners."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from shared.kafka.clients import new_reader
from shared.kafka.topic import Topic
from shared.logging_setup import tell
from shared.messages import insights
from shared.messages.recordings import is_part
from shared.settings import MIB, Settings

log = structlog.get_logger(__name__)

_POLL_MS = 500
_PAUSE_AFTER_ERROR = 0.5
_START_TIMEOUT = 5.0
# Limit of the rows that wait for a slow reader. Beyond it, the reader reads the topic by itself, at its own pace.
_MAX_WAITING_BYTES = MIB // 2
# A reader's turn on the topic: other readers wait for theirs, and its client for a keep-alive.
_TURN_SECONDS = 1.0
_TURNS_AT_A_TIME = 2
_RECORDS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A record of the topic; `is_new` if it was read as soon as it was written."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    is_new: bool


class Follower:
    """A reader of one user's rows.

    For every partition, `position` is the offset after the rows that were taken, and `reached` the one after those that
    were put: the rows between them wait to be taken.
    """

    def __init__(self, username: str, position: list[int]) -> None:
        self.username = username
        self.position = position
        self.reached = list(position)
        self._waiting: deque[Row] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """True if too many bytes wait to put another row."""
        return self._bytes >= _MAX_WAITING_BYTES

    def put(self, row: Row) -> bool:
        """Add a row, unless it was added before; return False if there is no room for it."""
        if row.offset < self.reached[row.partition]:
            return True
        if self.is_full:
            return False
        self.reached[row.partition] = row.offset + 1
        self._waiting.append(row)
        self._bytes += len(row.value)
        self._arrived.set()
        return True

    def forget(self, key: bytes | None) -> None:
        """Drop the waiting rows of an ECG that was erased."""
        if self._waiting:
            self._waiting = deque(row for row in self._waiting if row.key != key)
            self._bytes = sum(len(row.value) for row in self._waiting)

    def take(self) -> Row | None:
        """Return the next row, or None if none waits."""
        if not self._waiting:
            self.position = list(self.reached)
            return None
        row = self._waiting.popleft()
        self._bytes -= len(row.value)
        self.position[row.partition] = row.offset + 1
        return row

    async def arrival(self) -> None:
        """Return when a row waits, or after `wake`."""
        if not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()

    def wake(self) -> None:
        """Make `arrival` return."""
        self._arrived.set()


class Fanout:
    """Follows the topic for all followers with one consumer, as long as there are any.

    A live follower gets the rows that the consumer reads. A follower that is behind reads the topic from its own
    position, until it has caught up with the consumer.
    """

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._settings = settings
        self._partitions = topic.all_partitions()
        self._live: dict[str, set[Follower]] = defaultdict(set)
        self._followers = 0
        self._changing = asyncio.Lock()
        self._turns = asyncio.Semaphore(_TURNS_AT_A_TIME)
        self._consumer: AIOKafkaConsumer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._reached: list[int] = []

    @asynccontextmanager
    async def follow(self, username: str, position: list[int] | None) -> AsyncIterator[Follower]:
        """Yield a follower that begins at a position, or now.

        Raises:
            KafkaError, TimeoutError: if the broker cannot be reached.
        """
        self._followers += 1
        follower: Follower | None = None
        try:
            async with self._changing, asyncio.timeout(_START_TIMEOUT):
                consumer = await self._running()
                begin = list(self._reached) if position is None else await self._within_topic(consumer, position)
            follower = Follower(username, begin)
            self._join(follower)
            yield follower
        finally:
            if follower is not None:
                self._leave(follower)
            self._followers -= 1
            async with self._changing:
                if not self._followers:
                    await self._end()

    async def more(self, follower: Follower) -> None:
        """Return when a live follower has rows or is no longer live, or after a turn of one that is behind.

        Raises:
            KafkaError, TimeoutError: if the topic cannot be read.
        """
        if self._reading is None or self._reading.done():
            raise KafkaError("the insights are not read any more")
        if follower in self._live.get(follower.username, ()):
            await follower.arrival()
            return
        async with self._turns:
            await self._read_on(follower)
        self._join(follower)

    def skip(self, follower: Follower) -> None:
        """Move a live follower past records that were read and are not for it."""
        if follower in self._live.get(follower.username, ()):
            follower.reached = [max(pair) for pair in zip(follower.reached, self._reached, strict=True)]

    def _join(self, follower: Follower) -> None:
        if not follower.is_full and not self._behind(follower):
            self._live[follower.username].add(follower)

    def _leave(self, follower: Follower) -> None:
        followers = self._live[follower.username]
        followers.discard(follower)
        if not followers:
            del self._live[follower.username]

    def _behind(self, follower: Follower) -> list[TopicPartition]:
        return [tp for tp in self._partitions if follower.reached[tp.partition] < self._reached[tp.partition]]

    async def _running(self) -> AIOKafkaConsumer:
        if self._consumer is not None and self._reading is not None and not self._reading.done():
            return self._consumer
        await self._end()
        return await self._begin()

    async def _begin(self) -> AIOKafkaConsumer:
        consumer = new_reader(self._settings)
        try:
            await consumer.start()
            consumer.assign(self._partitions)
            ends = await consumer.end_offsets(self._partitions)
        except BaseException:
            await consumer.stop()
            raise
        for partition, end in ends.items():
            consumer.seek(partition, end)
        self._reached = [ends[partition] for partition in self._partitions]
        self._consumer = consumer
        self._reading = asyncio.create_task(self._read(consumer))
        self._reading.add_done_callback(self._ended)
        return consumer

    def _ended(self, reading: asyncio.Task[None]) -> None:
        if not reading.cancelled() and (error := reading.exception()):
            # The next `follow` starts another consumer.
            log.error("the insights are no longer read", error=tell(error))
        for follower in itertools.chain.from_iterable(self._live.values()):
            follower.wake()

    async def _end(self) -> None:
        if self._reading is not None and self._consumer is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            await self._consumer.stop()
        self._reading = self._consumer = None

    async def _within_topic(self, consumer: AIOKafkaConsumer, position: list[int]) -> list[int]:
        """Return a position, with 0 for each partition that ends before it.

        Such a position belongs to an earlier topic, which was lost and made again.
        """
        if all(own <= read for own, read in zip(position, self._reached, strict=True)):
            return position
        ends = await consumer.end_offsets(self._partitions)
        return [own if own <= ends[tp] else 0 for own, tp in zip(position, self._partitions, strict=True)]

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                polled = await consumer.getmany(timeout_ms=_POLL_MS)
            except KafkaError as error:
                log.warning("reading the insights again after an error", error=repr(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR)
                continue
            for partition, records in polled.items():
                for record in records:
                    self._hand_over(record)
                self._reached[partition.partition] = records[-1].offset + 1

    def _hand_over(self, record: ConsumerRecord) -> None:
        # A recording's part has no owner of its own, and its deletion is not an erasure.
        if is_part(record.key):
            return
        owner = insights.owner(record.value)
        if owner is None:
            for follower in itertools.chain.from_iterable(self._live.values()):
                follower.forget(record.key)
        # Most records belong to users without an open stream.
        if owner is None or owner not in self._live:
            return
        for follower in list(self._live[owner]):
            if not follower.put(Row(record.partition, record.offset, record.key, record.value, is_new=True)):
                # Its waiting rows have no gap and end before this row, so from there it reads on by itself.
                self._leave(follower)
                follower.wake()

    async def _read_on(self, follower: Follower) -> None:
        """Read a follower's rows until it has caught up, is full, or its turn is over."""
        if not (behind := self._behind(follower)):
            return
        consumer = new_reader(self._settings)
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(_START_TIMEOUT + _TURN_SECONDS):
                await consumer.start()
                consumer.assign(behind)
                for partition in behind:
                    consumer.seek(partition, follower.reached[partition.partition])
                end_of_turn = clock() + _TURN_SECONDS
                while behind and not follower.is_full and clock() < end_of_turn:
                    polled = await consumer.getmany(*behind, timeout_ms=_POLL_MS, max_records=_RECORDS_AT_A_TIME)
                    for record in itertools.chain.from_iterable(polled.values()):
                        if is_part(record.key) or insights.owner(record.value) != follower.username:
                            continue
                        if not follower.put(
                            Row(record.partition, record.offset, record.key, record.value, is_new=False)
                        ):
                            break
                    else:
                        for partition in behind:
                            follower.reached[partition.partition] = await consumer.position(partition)
                    # Other partitions may be behind by now: they are read in the next turn.
                    behind = [tp for tp in behind if follower.reached[tp.partition] < self._reached[tp.partition]]
        finally:
            await consumer.stop()
