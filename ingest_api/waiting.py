"""Queries that wait: answered as soon as the insights are there."""

import asyncio

from fastapi import Request

from ingest_api.holding import hold
from ingest_api.workers import Workers
from shared.results import Insights


class Waiting:
    """Waits for insights, for at most `limit` queries at a time."""

    def __init__(self, workers: Workers, limit: int) -> None:
        self._workers = workers
        self._limit = limit
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether no further query may wait."""
        return self._count >= self._limit

    async def find(self, request: Request, ecg_id: str, username: str, seconds: int) -> Insights | None:
        """Return the row of a user's ECG as soon as there is one, or what there is after so many seconds.

        What is another's, or erased, takes as long as what is not there, so that nobody can tell one from the other.

        Raises:
            Unavailable: if no worker that serves the partition has answered in that time.
        """
        self._count += 1
        try:
            return await hold(request, self._find(ecg_id, username, seconds))
        finally:
            self._count -= 1

    async def _find(self, ecg_id: str, username: str, seconds: int) -> Insights | None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        found = await self._workers.wait_for(ecg_id, seconds)
        if found is None or found.username == username:
            return found
        await asyncio.sleep(deadline - clock())
        return found
