"""Computing insights again: finding the rows of older versions, and asking the workers for them at a bounded pace."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from ecg_client import kafka
from ecg_client.retries import OnOutage
from shared.kafka.clients import new_reader, partition_for
from shared.kafka.topics import Topics
from shared.messages import recomputations
from shared.messages.catalogue import catalogue, chosen
from shared.messages.headers import CONTENT_TYPE_HEADER
from shared.messages.recomputations import CONTENT_TYPE, Recomputation, outdated_at
from shared.settings import Settings

_POLL_MS = 100
# A row that has not come by then stays as it is: the ECG was erased meanwhile, or its insights fail.
_PATIENCE = 30.0
# Recomputations that workers have not answered yet, in seconds of the pace: as many as that may wait before fresh ECGs.
_AHEAD_SECONDS = 1.0

_HEADERS: list[tuple[str, bytes | None]] = [(CONTENT_TYPE_HEADER, CONTENT_TYPE.encode())]


@dataclass
class Progress:
    """How many rows of older versions there were, and what has become of them.

    Attributes:
        found: rows of older versions.
        gone: those whose submission is no longer kept.
        done: those that were computed again.
        unchanged: those that were not, because the ECG was erased meanwhile, or cannot be read any more.
    """

    found: int = 0
    gone: int = 0
    done: int = 0
    unchanged: int = 0

    @property
    def settled(self) -> int:
        """The rows that need no more work."""
        return self.gone + self.done + self.unchanged


async def recompute(
    used: Settings, rate: float, report: Callable[[Progress], None], on_outage: OnOutage, *, only_count: bool = False
) -> None:
    """Have the insights of all outdated rows computed again, at most `rate` a second.

    Args:
        used: the settings of the pipeline; `insights` are those that its workers compute.
        rate: recomputations a second.
        report: is called with the progress so far.
        on_outage: is called when Kafka takes long to acknowledge.
        only_count: True to change nothing.

    Raises:
        Unavailable: if Kafka cannot be reached.
    """
    async with kafka.reading(used, Topics(used).insights.name) as reader:
        rows = await _outdated(reader, _current(used))
        progress = Progress(found=len(rows))
        begins = await _begins(used)
        kept = {ecg_id: offset for ecg_id, offset in rows.items() if offset >= begins[_partition(ecg_id, len(begins))]}
        progress.gone = len(rows) - len(kept)
        report(progress)
        if only_count or not kept:
            return
        async with kafka.producer(used) as producer:
            run = _Run(used, reader, producer, rate, progress, report, on_outage)
            # In the order of the submissions, which the broker reads best.
            order = sorted(kept.items(), key=lambda row: (_partition(row[0], len(begins)), row[1]))
            await run.all(Recomputation(ecg_id, offset) for ecg_id, offset in order)


class _Run:
    def __init__(  # noqa: PLR0917 - the parts of a run
        self,
        used: Settings,
        reader: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        rate: float,
        progress: Progress,
        report: Callable[[Progress], None],
        on_outage: OnOutage,
    ) -> None:
        self._topic = Topics(used).submissions.name
        self._current = _current(used)
        self._reader = reader
        self._producer = producer
        self._rate = rate
        self._progress = progress
        self._report = report
        self._on_outage = on_outage
        self._pending: dict[str, float] = {}

    async def all(self, wanted: Iterable[Recomputation]) -> None:
        """Send recomputations at the pace, while not too many are pending, and wait for all of them."""
        clock = asyncio.get_running_loop().time
        due = clock()
        for recomputation in wanted:
            await self._settle(due, most=max(1, int(_AHEAD_SECONDS * self._rate)) - 1)
            await self._send(recomputation)
            due = max(due, clock() - 1 / self._rate) + 1 / self._rate
        await self._settle(clock(), most=0)

    async def _settle(self, until: float, most: int) -> None:
        """Follow the rows that are stored until a time, and until at most so many recomputations are pending."""
        clock = asyncio.get_running_loop().time
        while True:
            polled = await self._reader.getmany(timeout_ms=_POLL_MS if len(self._pending) > most else 0)
            for records in polled.values():
                for record in records:
                    self._answered(record)
            now = clock()
            for ecg_id in [ecg_id for ecg_id, patience in self._pending.items() if patience < now]:
                del self._pending[ecg_id]
                self._progress.unchanged += 1
            self._report(self._progress)
            if len(self._pending) <= most and now >= until:
                return
            await asyncio.sleep(min(_POLL_MS / 1000, max(0.0, until - now)))

    def _answered(self, record: ConsumerRecord) -> None:
        ecg_id = (record.key or b"").decode(errors="replace")
        if ecg_id not in self._pending or _outdated_at(record, self._current) is not None:
            return
        del self._pending[ecg_id]
        self._progress.done += 1

    async def _send(self, recomputation: Recomputation) -> None:
        key, value = recomputation.ecg_id.encode(), recomputations.encode(recomputation)
        self._pending[recomputation.ecg_id] = asyncio.get_running_loop().time() + _PATIENCE
        await kafka.send(self._producer, self._topic, value, key, _HEADERS, self._on_outage)


def _current(used: Settings) -> dict[str, tuple[int, bool]]:
    known = {insight.name: (insight.version, insight.needs_sampling_rate) for insight in catalogue().insights}
    return {name: known[name] for name in chosen(used.insights, known)}


def _outdated_at(record: ConsumerRecord, current: dict[str, tuple[int, bool]]) -> int | None:
    """Return the offset of the submission of an outdated row, or None for every other record."""
    try:
        return outdated_at(record.value or b"", current)
    except ValueError:
        return None


async def _outdated(reader: AIOKafkaConsumer, current: dict[str, tuple[int, bool]]) -> dict[str, int]:
    """Return the ids of ECGs whose latest row is outdated, with the offsets of their submissions."""
    found: dict[str, int] = {}
    ends = await reader.end_offsets(reader.assignment())
    while any([await reader.position(partition) < end for partition, end in ends.items()]):
        for records in (await reader.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                ecg_id = (record.key or b"").decode(errors="replace")
                if (offset := _outdated_at(record, current)) is None:
                    found.pop(ecg_id, None)
                else:
                    found[ecg_id] = offset
    return found


async def _begins(used: Settings) -> list[int]:
    """Return the first offset that is kept of each partition of the submissions; nothing is read from them."""
    partitions: list[TopicPartition] = Topics(used).submissions.all_partitions()
    async with _without_reading(used, partitions) as reader:
        begins = await reader.beginning_offsets(partitions)
    return [begins[partition] for partition in partitions]


@asynccontextmanager
async def _without_reading(used: Settings, partitions: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    reader = new_reader(used)
    async with kafka.running(reader, used):
        reader.assign(partitions)
        reader.pause(*partitions)
        yield reader


def _partition(ecg_id: str, partitions: int) -> int:
    return partition_for(ecg_id.encode(), partitions)
