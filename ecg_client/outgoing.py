"""The samples of a live source that wait to be sent."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecg_client.errors import InvalidEcg
from ecg_client.recordings.recording import integers
from shared.ecg import Signal, narrow

# Seconds of the largest chunk: of a file, or of a live source that was ahead of the gateway.
_LONGEST_CHUNK = 60
# Samples of all leads of a chunk: at most 8 MiB, and as 16-bit integers a quarter.
_MOST_SAMPLES = 1 << 20
# About fractions, which a file may have with a unit, and a chunk may not.
_REMEDY = ' in ADC units: multiply fractions, and give the factor to millivolts to `begin`, such as {"I": 1000}'


def longest_chunk(sampling_rate: float, leads: int) -> int:
    """Return the number of samples of each lead in the largest chunk that is sent."""
    return max(1, min(round(sampling_rate * _LONGEST_CHUNK), _MOST_SAMPLES // leads))


def rows(samples: ArrayLike | Sequence[ArrayLike], names: Sequence[str]) -> tuple[Signal, ...]:
    """Return the signals of a block, in the order of the leads.

    Args:
        samples: an array of shape (leads, n), or an array of shape (n,) for each lead.
        names: of the leads.

    Raises:
        InvalidEcg: if the leads are not as many, or not of the same length.
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
    """A buffer of blocks that are sent as chunks: all that has come while a chunk was sent goes in the next one.

    Attributes:
        waiting: the number of samples of each lead that wait.
        closed: True once no more blocks come: then the rest is sent, however short it is.
        stopped: True once no more chunks are sent.
        news: True once another chunk is durable.

    Args:
        names: of the leads.
        chunk: the number of samples of each lead for which a chunk is sent.
        longest: the number of samples of each lead that a chunk has at most.
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
        """True if another block may be read, or will never be sent."""
        return self.waiting < self._most or self.stopped

    def told_news(self) -> bool:
        """Return True if there is news, and take it as told."""
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
        """Take the next chunk, which has samples as long as some are waiting."""
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
        """Drop all that waits."""
        self._blocks.clear()
        self.waiting = 0
        self.closed = True
