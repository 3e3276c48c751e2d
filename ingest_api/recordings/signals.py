"""The samples of recordings, for as long as the topic of chunks keeps them."""

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import numpy as np

from ingest_api.http.errors import Gone, Unprocessable
from ingest_api.queries.sealed_messages import SealedMessages
from ingest_api.queries.submission_reader import Message, SubmissionReader
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.recordings.answers import progress_of
from shared.chunk import Chunk
from shared.ecg import Lead, Ranges, Signal, cut
from shared.encoding import decode_chunk
from shared.errors import InvalidEcg
from shared.messages.insights import Insights
from shared.messages.recordings import CHUNK, ChunkPlace, decode_place
from shared.ranges import Range, joined, outside, within
from shared.security.sealing import Broken
from shared.settings import Settings

# In the worst case, each chunk takes a read of a few milliseconds.
MOST_CHUNKS = 1000
_GONE = "The signals before sample {} are no longer kept; the insights still are"
_WIDTH = 4


class Signals:
    """Reads samples of recordings from their chunks on the topic."""

    def __init__(
        self, settings: Settings, workers: WorkerClient, records: SubmissionReader, messages: SealedMessages
    ) -> None:
        self._max_bytes = settings.max_body_bytes
        self._workers = workers
        self._records = records
        self._messages = messages

    def range(self, row: Insights, first: int, end: int | None) -> Range:
        """Return the range of samples to answer: the part of the requested range that the recording has so far.

        Args:
            row: the row of the recording.
            first: the first requested sample.
            end: the sample after the last requested one, or None for as many as an answer may have.

        Raises:
            Unprocessable: if the range is larger than an answer may be.
        """
        most = max(1, self._max_bytes // (_WIDTH * max(1, len(row.leads))))
        stop = max(first, min(first + most if end is None else end, progress_of(row).end))
        if stop - first > most:
            raise Unprocessable(
                f"to: must be at most {first + most}: an answer has at most {most} samples of {len(row.leads)} leads",
                field="to",
            )
        return first, stop

    @asynccontextmanager
    async def reading(self, row: Insights, first: int, end: int) -> AsyncIterator[Chunk]:
        """Yield samples of a recording as one chunk, with zeros and `missing` ranges where none have arrived.

        Only a few answers are in memory at a time, each until its block ends, and a few records for each of them.

        Args:
            row: the row of the recording.
            first: the first sample.
            end: the sample after the last one, not beyond the end of the recording.

        Raises:
            Gone: if some samples are no longer kept.
            Unprocessable: if the samples are in too many chunks for one answer.
            Unavailable: if a worker or the broker does not answer in time, or too many records are being read.
        """
        come = within([(run.first, run.end) for run in progress_of(row).runs], first, end)
        places = await self._places(row, first, end) if come else []
        wanted: dict[int, list[Range]] = defaultdict(list)
        for place in places:
            wanted[place.offset] += within(come, place.first, place.first + place.count)
        if _count(itertools.chain.from_iterable(wanted.values())) < _count(come):
            # Some samples have no place any more, because the recording was erased meanwhile.
            raise Gone(_GONE.format(end))
        samples = _Samples(row, first, end)
        samples.miss(come)
        offsets = sorted(offset for offset, ranges in wanted.items() if ranges)
        async with self._records.reading_chunks(row.ecg_id, offsets) as messages:
            async for offset, message in messages:
                chunk = await self._opened(row, message)
                for begin, stop in wanted[offset]:
                    if chunk is None or not samples.put(chunk, begin, stop):
                        raise Gone(_GONE.format(stop))
            yield samples.chunk()

    async def _places(self, row: Insights, first: int, end: int) -> Sequence[ChunkPlace]:
        rows = await self._workers.parts(row.ecg_id, CHUNK, range(first, end), MOST_CHUNKS + 1)
        if len(rows) > MOST_CHUNKS:
            raise Unprocessable(
                f"to: samples {first} to {end - 1} came in more than {MOST_CHUNKS} chunks: ask for fewer at a time",
                field="to",
            )
        return list(map(decode_place, rows))

    async def _opened(self, row: Insights, message: Message | None) -> Chunk | None:
        """Return the chunk in a message, or None if it can no longer be read.

        Raises:
            Unavailable: if the broker cannot be asked for the key.
        """
        try:
            value = await self._messages.open(row.ecg_id, message) if message is not None else None
            if message is None or value is None:
                return None
            chunk = decode_chunk(value, message.content_type)
        except (InvalidEcg, Broken):
            return None
        # After a loss of the topic, another recording's record may be at the offset: it must not be shown.
        return chunk if (chunk.id, chunk.username) == (row.ecg_id, row.username) else None


class _Samples:
    """Samples of all leads of a recording, assembled from chunks."""

    def __init__(self, row: Insights, first: int, end: int) -> None:
        self._row = row
        self._first = first
        self._count = end - first
        # Widened to the type of the chunks in `put`.
        self._signals: list[Signal] = [np.zeros(end - first, "<i1") for _ in row.leads]
        self._missing: list[list[Range]] = [[] for _ in row.leads]

    def miss(self, come: Sequence[Range]) -> None:
        """Note that only these samples have arrived: all others are missing."""
        absent = outside(come, self._first, self._first + self._count)
        for missing in self._missing:
            missing.extend(absent)

    def put(self, chunk: Chunk, begin: int, stop: int) -> bool:
        """Put samples of a chunk in their place; return False if it does not have them."""
        origin = chunk.first_sample
        if not (origin <= begin and stop <= origin + chunk.count and len(chunk.leads) == len(self._signals)):
            return False
        for i, lead in enumerate(chunk.leads):
            own, given = self._signals[i], cut(lead, range(begin - origin, stop - origin))
            if (wide := np.promote_types(own.dtype, given.signal.dtype)) != own.dtype:
                own = self._signals[i] = own.astype(wide)
            own[begin - self._first : stop - self._first] = given.signal
            self._missing[i] += [(begin + at, begin + at + count) for at, count in given.missing]
        return True

    def chunk(self) -> Chunk:
        """Return the samples as one chunk."""
        row = self._row
        leads = tuple(
            Lead(described["name"], signal, gain, self._relative(missing))
            for described, gain, signal, missing in zip(
                row.leads, progress_of(row).gains, self._signals, self._missing, strict=True
            )
        )
        return Chunk(row.ecg_id, row.username, row.date, leads, row.sampling_rate, first_sample=self._first)

    def _relative(self, ranges: list[Range]) -> Ranges:
        """Return ranges relative to the first sample, `(first, count)` each; ranges that touch become one."""
        return tuple((first - self._first, end - first) for first, end in joined(ranges))


def _count(ranges: Iterable[Range]) -> int:
    return sum(end - first for first, end in ranges)
