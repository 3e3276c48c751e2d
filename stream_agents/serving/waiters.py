"""Who waits for rows that are not there yet."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from shared.messages import insights


class Moved(Exception):  # noqa: N818 - named for what happened
    """The row may be stored by another worker now."""


class Waits:
    """Hands rows to those who wait for them, at most `limit` at a time; false while nobody waits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._closed = False
        self._waiting: dict[bytes, set[asyncio.Future[bytes]]] = defaultdict(set)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def row(self, key: bytes, seconds: float, owner: str | None) -> bytes | None:
        """Return the row as soon as it is stored, or None after so many seconds, and at once when too many wait.

        With an owner, another user's row does not end the wait.

        Raises:
            Moved: as soon as waiting here may be of no more use.
        """
        if self._closed:
            raise Moved
        if self._count >= self._limit:
            return None
        self._count += 1
        try:
            async with asyncio.timeout(seconds):
                while True:
                    row = await self._next(key)
                    if owner in (None, insights.owner(row)):
                        return row
        except TimeoutError:
            return None
        finally:
            self._count -= 1

    async def _next(self, key: bytes) -> bytes:
        """Return the next row of a key that is stored."""
        stored: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[key].add(stored)
        try:
            return await stored
        finally:
            if waiting := self._waiting.get(key):
                waiting.discard(stored)
                if not waiting:
                    del self._waiting[key]

    def stored(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Hand over rows, given with their keys."""
        for key, row in rows:
            for future in self._waiting.pop(key, ()):
                if not future.done():
                    future.set_result(row)

    def release(self) -> None:
        """End all waits: partitions are assigned anew."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(Moved)
        self._waiting.clear()

    def close(self) -> None:
        """End all waits, and have none from now on: the worker stops."""
        self._closed = True
        self.release()
