"""Requests that wait for rows that are not stored yet."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from shared.messages import insights


class Moved(Exception):  # noqa: N818 - named for what happened
    """Another worker may store the row now."""


class Waits:
    """Hands rows to the requests that wait for them, at most `limit` at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._closed = False
        self._waiting: dict[bytes, set[asyncio.Future[bytes]]] = defaultdict(set)

    async def row(self, key: bytes, seconds: float, owner: str | None) -> bytes | None:
        """Return the row as soon as it is stored, or None after so many seconds, or at once if too many requests wait.

        With an owner, another user's row does not end the wait.

        Raises:
            Moved: as soon as another worker may store the row.
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
        """Return the next row that is stored for a key."""
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
        """Hand over stored rows, given with their keys."""
        for key, row in rows:
            for future in self._waiting.pop(key, ()):
                if not future.done():
                    future.set_result(row)

    def release(self) -> None:
        """End all waits: partitions are reassigned."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(Moved)
        self._waiting.clear()

    def close(self) -> None:
        """End all waits and refuse new ones: the worker stops."""
        self._closed = True
        self.release()
