"""The latest chunks of recordings, kept so that their samples need not be read from the topic again."""

from collections import OrderedDict
from collections.abc import Sequence

from shared.chunk import Chunk

# Enough for a thousand live recordings of twelve leads at 500 Hz in chunks of a second, and 200 MiB of memory.
_MOST_BYTES = 192 * 1024 * 1024
# Of the objects of a chunk, and of each of its leads beside the samples: far more than the samples of a small chunk.
_CHUNK_BYTES, _LEAD_BYTES = 400, 600


class Tails:
    """Holds the chunks whose samples the next beats of each recording need, in bounded memory.

    It is a cache: chunks are on the topic, and those of recordings that are silent for long are dropped first. A
    recording is told from one that had its id before by the offset at which it began.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._tails: OrderedDict[tuple[str, int], list[Chunk]] = OrderedDict()

    def of(self, recording_id: str, begun: int) -> list[Chunk]:
        """Return the chunks that are kept of a recording that began at an offset."""
        return self._tails.get((recording_id, begun), [])

    def keep(self, recording_id: str, begun: int, chunks: Sequence[Chunk], first: int) -> None:
        """Keep those chunks of a recording that have samples from `first` on, instead of others."""
        self._drop((recording_id, begun))
        kept = [chunk for chunk in chunks if chunk.first_sample + chunk.count > first]
        if kept:
            self._tails[recording_id, begun] = kept
            self._bytes += _size(kept)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._tails)))

    def _drop(self, key: tuple[str, int]) -> None:
        self._bytes -= _size(self._tails.pop(key, []))


def _size(chunks: list[Chunk]) -> int:
    return sum(size_of(chunk) for chunk in chunks)


def size_of(chunk: Chunk) -> int:
    """Return about how many bytes of memory a chunk takes."""
    return _CHUNK_BYTES + sum(_LEAD_BYTES + lead.signal.nbytes for lead in chunk.leads)
