"""The samples of a live source that wait to be sent."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecg_client.errors import InvalidEcg
from ecg_client.recordings.recording import integers
from shared.ecg import Signal, narrow

# Seconds of the longest chunk of a file, or of a live source after an outage.
_LONGEST_CHUNK = 60
# Samples of all leads in a chunk: at most 8 MiB, and a quarter of it as 16-bit integers.
_MOST_SAMPLES = 1 << 20
# The advice about fractions, which a file with a unit may have, but a chunk may not.
_REMEDY = ' in ADC units: multiply fractions, and give the factor to millivolts to `begin`, such as {"I": 1000}'


def longest_chunk(sampling_rate: float, leads: int) -> int:
    """Return the number of samples of each lead in the longest chunk."""
    return max(1, min(round(sampling_rate * _LONGEST_CHUNK), _MOST_SAMPLES // leads))


def rows(samples: ArrayLike | Sequence[ArrayLike], names: Sequence[str]) -> tuple[Signal, ...]:
    """Return the signals of a block, in the order of the leads.

    Args:
        samples: an array of shape (leads, n), or an array of shape (n,) for each lead.
        names: the names of the leads.

    Raises:
        InvalidEcg: if the number of leads is another one, or their lengths differ.
        UnreadableRecording: if a sample is not an integer of 64 bits.
    """
    given: list[Any] = list(samples)  # type: ignore[arg-type]  # it may be an array
    if len(given) != len(names):
        raise InvalidEcg(f"leads: must be the {len(names)} of the recording, not {len(given)}", "leads")
    signals = tuple(integers(row, name, _REMEDY) for row, name in zip(given, names, strict=True))
    for i, signal in enumerate(signals):
        if signal.size != signals[0].size:
            problem = f"must be as long as that of the first lead, {signals[0].size} samples, not {signal.size}"
            raise InvalidEcg(f"leads[{i}].signal: {problem}", f"leads[{i}].signal")
    return signals


class Outgoing:
    """A buffer of blocks that are sent as chunks: blocks that arrive while a chunk is sent go into the next one.

    Attributes:
        waiting: the number of waiting samples of each lead.
        closed: True once the source has ended: then the rest is sent, however short it is.
        stopped: True once no more chunks are sent.
        news: True once another chunk is durable, until `told_news` is called.

    Args:
        names: the names of the leads.
        chunk: the number of samples of each lead from which on a chunk is sent.
        longest: the largest number of samples of each lead in a chunk.
        most: the number of samples of each lead for which there is room.
    """

    def __init__(self, names: Sequence[str], chunk: int, longest: int, most: int) -> None:
        self.waiting = 0
        self.closed = self.stopped = self.news = False
        self._names = names
        self._chunk = chunk
        self._longest = longest
        self._most = most
        self._blocks: deque[tuple[Signal, ...]] = deque()

    @property
    def is_ready(self) -> bool:
        """True if a chunk can be sent."""
        return self.waiting >= (1 if self.closed else self._chunk)

    @property
    def has_room(self) -> bool:
        """True if another block may be read: there is room, or no more chunks are sent."""
        return self.waiting < self._most or self.stopped

    def told_news(self) -> bool:
        """Return True if there is news, and clear it."""
        news, self.news = self.news, False
        return news

    def add(self, samples: ArrayLike | Sequence[ArrayLike]) -> None:
        """Add a block, see `rows`."""
        block = rows(samples, self._names)
        if size := block[0].size:
            # Copied, because a source may read its next block into the same array.
            self._blocks.append(tuple(np.array(narrow(signal)) for signal in block))
            self.waiting += size

    def take(self) -> tuple[Signal, ...]:
        """Remove the next chunk from the buffer and return it; at least one sample must wait."""
        taken: list[tuple[Signal, ...]] = []
        room = self._longest
        while self._blocks and room:
            block = self._blocks.popleft()
            if block[0].size > room:
                self._blocks.appendleft(tuple(signal[room:] for signal in block))
                block = tuple(signal[:room] for signal in block)
            taken.append(block)
            room -= block[0].size
        self.waiting -= self._longest - room
        return tuple(np.concatenate(signals) for signals in zip(*taken, strict=True))

    def drop(self) -> None:
        """Drop all waiting samples, and close the buffer."""
        self._blocks.clear()
        self.waiting = 0
        self.closed = True
