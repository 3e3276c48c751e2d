"""A cache of the latest chunks of recordings, so that their samples need not be read from the topic again."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from shared.chunk import Chunk
from stream_agents.recordings.window import Samples

# Enough for a thousand live recordings of twelve leads at 500 Hz in chunks of a second.
_MOST_BYTES = 192 * 1024 * 1024
# The objects of a chunk, and of each of its leads without the samples: far more than the samples of a small chunk.
_CHUNK_BYTES, _LEAD_BYTES = 400, 600
# A range of missing samples: a tuple of two integers, and a pointer to it in another tuple.
_RANGE_BYTES = 136
# Each chunk of a tail costs time with every message of its recording. Live devices send one or two chunks a second, so
# that this many are about half a minute.
_MANY_CHUNKS = 64


class _Tail(NamedTuple):
    """Chunks with their sizes, by `id()`, and the number of chunks that remained when they were last merged."""

    chunks: dict[int, tuple[Chunk, int]]
    least: int = 0

    @property
    def size(self) -> int:
        return sum(size for _, size in self.chunks.values())


class Tails:
    """Holds the chunks of each recording that the search for its next beats needs, in bounded memory.

    It is a cache of chunks on the topic: those of the recordings that have been silent longest are dropped first. The
    offset at which a recording began tells it from an earlier recording with the same id. Many small chunks without
    holes between them are merged.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._tails: OrderedDict[tuple[str, int], _Tail] = OrderedDict()

    def of(self, recording_id: str, begun: int) -> list[Chunk]:
        """Return the chunks in memory of the recording that began at this offset."""
        tail = self._tails.get((recording_id, begun))
        return [chunk for chunk, _ in tail.chunks.values()] if tail is not None else []

    def keep(self, recording_id: str, begun: int, chunks: Sequence[Chunk], soon: range) -> None:
        """Keep the chunks of a recording that have samples in the range `soon`, in place of those kept before.

        Where chunks overlap, their samples must be equal.
        """
        known, least = self._drop((recording_id, begun))
        first = soon.start
        kept = [
            chunk for chunk in chunks if chunk.first_sample < soon.stop and chunk.first_sample + chunk.count > first
        ]
        # Chunks with holes between them stay apart; `least` prevents another attempt with every message.
        if len(kept) > max(_MANY_CHUNKS, 2 * least):
            kept = list(_put_together(kept, first))
            least = len(kept)
        if kept:
            sized = {id(chunk): known.get(id(chunk)) or (chunk, size_of(chunk)) for chunk in kept}
            self._tails[recording_id, begun] = tail = _Tail(sized, least)
            self._bytes += tail.size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._tails)))

    def _drop(self, key: tuple[str, int]) -> _Tail:
        tail = self._tails.pop(key, _Tail({}))
        self._bytes -= tail.size
        return tail


def size_of(chunk: Chunk) -> int:
    """Return the approximate memory of a chunk in bytes."""
    leads = (_LEAD_BYTES + lead.signal.nbytes + _RANGE_BYTES * len(lead.missing) for lead in chunk.leads)
    return _CHUNK_BYTES + sum(leads)


def _put_together(chunks: Sequence[Chunk], first: int) -> Iterator[Chunk]:
    """Merge chunks that touch or overlap, and yield the results; merged chunks begin at `first` or later."""
    touching: list[Chunk] = []
    end = 0
    for chunk in sorted(chunks, key=lambda chunk: chunk.first_sample):
        if touching and chunk.first_sample > end:
            yield _one(touching, range(max(first, touching[0].first_sample), end))
            touching = []
        touching.append(chunk)
        end = max(end, chunk.first_sample + chunk.count)
    if touching:
        yield _one(touching, range(max(first, touching[0].first_sample), end))


def _one(chunks: Sequence[Chunk], there: range) -> Chunk:
    """Merge chunks into one with the samples in a range that they cover; a single chunk is returned as it is."""
    if len(chunks) == 1:
        return chunks[0]
    return msgspec.structs.replace(
        chunks[0], first_sample=there.start, leads=Samples(chunks).cut(chunks[0].leads, there)
    )
