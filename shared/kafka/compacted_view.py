"""A materialised view of a compacted topic: it reads the whole topic and then follows it."""

import asyncio
import math
import time
from collections.abc import Callable

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka.client_watch import end, watched
from shared.kafka.clients import new_reader
from shared.kafka.patience import attempts
from shared.kafka.topics import Topic
from shared.settings import Settings

log = structlog.get_logger(__name__)

_POLL_MS = 500
_PAUSE_AFTER_ERROR = 0.5


class TopicView:
    """Follows a topic of one partition and passes every record to `apply(key, value)`, in order.

    A value of None is a tombstone: the key was deleted.
    """

    def __init__(self, settings: Settings, topic: Topic, apply: Callable[[str, bytes | None], None]) -> None:
        self._consumer = new_reader(settings)
        self._partition = TopicPartition(topic.name, 0)
        self._apply = apply
        self._position = 0
        self._moved = asyncio.Condition()
        self._looking = asyncio.Lock()
        self._looks_begun = 0
        self._last_look = 0
        self._known_until = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._following = False

    async def start(self) -> None:
        """Read the topic to its end, and keep following it.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        async for attempt in attempts():
            with attempt:
                await self._consumer.start()
        self._consumer.assign([self._partition])
        await self._consumer.seek_to_beginning(self._partition)
        self._following = True
        self._task = watched(asyncio.create_task(self._follow(), name=f"reads {self._partition.topic}"))
        async for attempt in attempts():
            with attempt:
                await self.catch_up()

    async def stop(self) -> None:
        """Stop following."""
        if self._task:
            await end(self._task)
        await self._consumer.stop()

    @property
    def age(self) -> float:
        """The seconds since the last moment up to which all records are known to be applied."""
        return time.monotonic() - self._known_until

    async def catch_up(self) -> None:
        """Return when every record that was on the topic at the time of the call has been applied.

        Overlapping calls share one look at the topic's end, if it began after they did.

        Raises:
            KafkaError: if the broker cannot be asked, or the view has stopped reading.
        """
        begun_before = self._looks_begun
        async with self._looking:
            if self._last_look > begun_before:
                return
            self._looks_begun += 1
            look, begun = self._looks_begun, time.monotonic()
            until = (await self._consumer.end_offsets([self._partition]))[self._partition]
            async with self._moved:
                await self._moved.wait_for(lambda: self._position >= until or not self._following)
            if self._position < until:
                raise KafkaError(f"{self._partition.topic} is not read any more")
            self._last_look, self._known_until = look, begun

    async def _follow(self) -> None:
        try:
            await self._read()
        finally:
            async with self._moved:
                self._following = False
                self._moved.notify_all()

    async def _read(self) -> None:
        while True:
            try:
                batch = await self._consumer.getmany(self._partition, timeout_ms=_POLL_MS)
                for record in batch.get(self._partition, ()):
                    self._apply_safely(record.key, record.value)
                position = await self._consumer.position(self._partition)
            except KafkaError as error:
                log.warning("reading a topic again after an error", topic=self._partition.topic, error=repr(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR)
                continue
            if position != self._position:
                async with self._moved:
                    self._position = position
                    self._moved.notify_all()

    def _apply_safely(self, key: bytes | None, value: bytes | None) -> None:
        try:
            self._apply((key or b"").decode(), value)
        except ValueError:
            # One foreign or broken record must not stop the view.
            log.warning("unreadable record", topic=self._partition.topic)
