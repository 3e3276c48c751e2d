"""Reading the audit: pages of events sorted by time. Each page reads a bounded part of the topic."""

import asyncio
from collections import deque
from datetime import datetime
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from ingest_api.http.errors import Unavailable
from ingest_api.kafka.closing import Closing
from ingest_api.kafka.offset_cursor import OffsetCursors
from shared.kafka.clients import new_reader
from shared.kafka.topics import Topics
from shared.messages.audit import AuditEvent, decode
from shared.settings import MIB, Settings

log = structlog.get_logger(__name__)

# Reading them takes a gateway a tenth of a second if each record has the many events of a gateway under load.
_RECORDS_OF_A_PAGE = 500
_PAGES_AT_A_TIME = 2
_POLL_MS = 500
# Records have the times of the gateways that wrote them. Reading up to a time goes on for so long behind it, because a
# gateway's clock may be ahead of the others'.
_CLOCKS_APART_MS = 10 * 60 * 1000
_FETCHED_OF_A_PARTITION = MIB // 4


class Selection(NamedTuple):
    """The events to return: those of a user, of an ECG, from a time on, before a time. None does not restrict them."""

    username: str | None
    ecg_id: str | None
    since: datetime | None
    until: datetime | None

    def has(self, event: AuditEvent) -> bool:
        """Return True if an event is selected. A user's events are the user's actions and those on the user's data."""
        return (
            (self.username is None or self.username in (event.username, event.who))
            and (self.ecg_id is None or self.ecg_id == event.ecg_id)
            and (self.since is None or self.since <= event.at)
            and (self.until is None or event.at < self.until)
        )


class AuditReader:
    """Reads the topic page by page, each from where the previous one ended."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._settings = settings
        self._timeout = settings.query_timeout
        # The longest time from an event to its record: requests wait no longer for it.
        delay_ms = 1000 * (settings.publish_timeout + settings.query_timeout)
        self._read_on_ms = delay_ms + _CLOCKS_APART_MS
        self._partitions = topics.audit.all_partitions()
        # For each partition, the offset of the next record, and how many of its events earlier pages have gone through.
        self._cursors = OffsetCursors(settings, topics.audit, 2 * topics.audit.partitions)
        self._turns = asyncio.Semaphore(_PAGES_AT_A_TIME)
        self._closing = Closing()

    async def stop(self) -> None:
        """Close the connections."""
        await self._closing.end()

    async def page(self, wanted: Selection, limit: int, cursor: str | None) -> tuple[list[AuditEvent], str | None]:
        """Return at most `limit` events, and the cursor of the next page if there may be one.

        If few events are selected, a page may have few or none, although another follows.

        Raises:
            ValueError: if the cursor is not valid.
            Unavailable: if the topic cannot be read in time.
        """
        after = self._cursors.decode(cursor) if cursor is not None else None
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                consumer = new_reader(self._settings, max_partition_fetch_bytes=_FETCHED_OF_A_PARTITION)
                try:
                    await consumer.start()
                    return await self._read(consumer, wanted, limit, after)
                finally:
                    self._closing.begin(consumer.stop())
        except (KafkaError, TimeoutError) as error:
            log.warning("the audit could not be read", error=repr(error))
            raise Unavailable("The audit cannot be read now, try again", missing="broker") from None

    async def _read(
        self, consumer: AIOKafkaConsumer, wanted: Selection, limit: int, after: list[int] | None
    ) -> tuple[list[AuditEvent], str | None]:
        consumer.assign(self._partitions)
        at = after or await self._begin(consumer, wanted.since)
        records = await _Merged.of(consumer, {tp: at[2 * tp.partition] for tp in self._partitions})
        found: list[AuditEvent] = []
        for _ in range(_RECORDS_OF_A_PAGE):
            record = await records.next()
            if record is None or (wanted.until and record.timestamp - self._read_on_ms >= _milliseconds(wanted.until)):
                return found, None
            here = slice(2 * record.partition, 2 * record.partition + 2)
            offset, seen = at[here]
            for number, event in enumerate(_events(record)):
                if (record.offset == offset and number < seen) or not wanted.has(event):
                    continue
                if len(found) == limit:
                    at[here] = record.offset, number
                    return found, self._cursors.encode(at)
                found.append(event)
            at[here] = record.offset + 1, 0
        return found, self._cursors.encode(at)

    async def _begin(self, consumer: AIOKafkaConsumer, since: datetime | None) -> list[int]:
        """Return the position of the first records that may hold events from `since` on."""
        if since is None:
            return [0] * (2 * len(self._partitions))
        times = await consumer.offsets_for_times(dict.fromkeys(self._partitions, _milliseconds(since)))
        ends = await consumer.end_offsets(self._partitions)
        found = [times[tp].offset if times[tp] is not None else ends[tp] for tp in self._partitions]
        return [number for offset in found for number in (offset, 0)]


class _Merged:
    """The records of several partitions, up to their ends when the reading began, sorted by time."""

    def __init__(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        self._consumer = consumer
        self._ends = ends
        self._read: dict[TopicPartition, deque[ConsumerRecord]] = {tp: deque() for tp in ends}

    @classmethod
    async def of(cls, consumer: AIOKafkaConsumer, begin: dict[TopicPartition, int]) -> "_Merged":
        """Merge a consumer's partitions from these offsets on, or from the first records that are still there."""
        begins = await consumer.beginning_offsets(list(begin))
        for tp, offset in begin.items():
            consumer.seek(tp, max(offset, begins[tp]))
        return cls(consumer, await consumer.end_offsets(list(begin)))

    async def next(self) -> ConsumerRecord | None:
        """Return the next record, or None after the last."""
        while dry := [tp for tp, records in self._read.items() if not records]:
            for tp in dry:
                if await self._consumer.position(tp) >= self._ends[tp]:
                    del self._read[tp]
            if waiting := [tp for tp in dry if tp in self._read]:
                for tp, records in (await self._consumer.getmany(*waiting, timeout_ms=_POLL_MS)).items():
                    # Later records are not part of this request, which ends where the topic ended at its beginning.
                    self._read[tp].extend(record for record in records if record.offset < self._ends[tp])
        if not self._read:
            return None
        first = min(self._read, key=lambda tp: (self._read[tp][0].timestamp, tp.partition))
        return self._read[first].popleft()


def _events(record: ConsumerRecord) -> list[AuditEvent]:
    try:
        return decode(record.value or b"").events
    except ValueError:
        log.warning("unreadable record", topic=record.topic, partition=record.partition, offset=record.offset)
        return []


def _milliseconds(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1000))
