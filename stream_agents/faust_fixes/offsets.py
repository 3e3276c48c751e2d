"""Which messages were fetched of each partition, and up to where all of them are stored."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

Partition = TypeVar("Partition")


class MessageLost(Exception):  # noqa: N818 - named for what happened
    """A message was fetched, and did not reach the agent before a later one of its partition did."""


class Offsets(Generic[Partition]):
    """Knows the offset to commit of each partition: that of the first message which is not stored.

    The consumer's thread says what it fetched and where it went back, the agent what it stored. A message that gets
    lost between the two can thus never be committed past. Offsets may have gaps (transactions, expired records), so
    that only the fetched ones tell what must come next.

    Each time the consumer goes back in a partition, a new turn of it begins. Messages of an earlier turn are fetched
    again: where they are still on their way, they must not be taken for those of the turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fetched: dict[Partition, deque[int]] = defaultdict(deque)
        self._next: dict[Partition, int] = {}
        self._turns: Counter[Partition] = Counter()

    def turns(self) -> Mapping[Partition, int]:
        """Return the turn of every partition, 0 for one that is not in it."""
        with self._lock:
            return self._turns.copy()

    def turn(self, partition: Partition) -> int:
        """Return the turn of a partition."""
        return self._turns[partition]

    def fetched(self, partition: Partition, offsets: Iterable[int]) -> None:
        """Note messages that the consumer has fetched, and will not fetch again unless it goes back."""
        with self._lock:
            self._fetched[partition].extend(offsets)

    def went_back(self, partition: Partition) -> None:
        """Note that the consumer fetches a partition from its committed offset again: a new turn begins."""
        with self._lock:
            self._turns[partition] += 1
            self._fetched[partition].clear()

    def stored(self, partition: Partition, turn: int, first: int, last: int) -> None:
        """Note that the messages of a turn from one offset to another are stored; those of an earlier turn come again.

        Raises:
            MessageLost: if one that was fetched before them is not.
        """
        with self._lock:
            if turn != self._turns[partition]:
                return
            fetched = self._unstored(partition)
            if fetched and fetched[0] < first:
                raise MessageLost(f"{partition}: {fetched[0]} did not arrive before {first}")
            while fetched and fetched[0] <= last:
                fetched.popleft()
            # Less if they were fetched twice.
            self._next[partition] = max(last + 1, self._next.get(partition, 0))

    def revoked(self, partition: Partition) -> None:
        """Forget a partition: it is read again from its committed offset, here or elsewhere."""
        with self._lock:
            self._turns[partition] += 1
            self._fetched.pop(partition, None)
            self._next.pop(partition, None)

    def partitions(self) -> list[Partition]:
        """Return the partitions of which something is stored."""
        return list(self._next)

    def next(self, partition: Partition) -> int | None:
        """Return the offset to commit, or None where nothing is stored since the partition was assigned."""
        return self._next.get(partition)

    def first_unstored(self) -> dict[Partition, int]:
        """Return the first fetched message that is not stored, of every partition that has one."""
        with self._lock:
            return {partition: unstored[0] for partition in self._fetched if (unstored := self._unstored(partition))}

    def _unstored(self, partition: Partition) -> deque[int]:
        fetched, done = self._fetched[partition], self._next.get(partition, 0)
        while fetched and fetched[0] < done:
            fetched.popleft()
        return fetched
