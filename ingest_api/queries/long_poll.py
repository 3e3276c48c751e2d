"""Queries that wait until the insights are there."""

from fastapi import Request

from ingest_api.http.disconnect import hold
from ingest_api.http.prefer_header import wait_seconds
from ingest_api.queries.worker_client import WorkerClient
from shared.messages.insights import Insights


class LongPolls:
    """Waits for insights. Callers ask for `wait` first, so that at most `limit` queries wait at a time."""

    def __init__(self, workers: WorkerClient, limit: int) -> None:
        self._workers = workers
        self._limit = limit
        self._count = 0

    def wait(self, request: Request) -> tuple[int, dict[str, str] | None]:
        """Return the seconds for which a query may wait, and the headers that report this in its answer."""
        seconds = 0 if self._count >= self._limit else wait_seconds(request.headers.getlist("prefer"))
        return seconds, {"preference-applied": f"wait={seconds}"} if seconds else None

    async def find(self, request: Request, ecg_id: str, owner: str | None, seconds: int) -> Insights | None:
        """Return the result of `WorkerClient.wait_for`, or None if the client disconnects or the gateway stops.

        Raises:
            Unavailable: if no worker that serves the partition has answered in that time.
        """
        self._count += 1
        try:
            return await hold(request, self._workers.wait_for(ecg_id, owner, seconds))
        finally:
            self._count -= 1
