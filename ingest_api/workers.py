"""The gateway's way to the table: which worker serves a partition, and asking it."""

import asyncio
from http import HTTPStatus

import aiohttp
import structlog

from ingest_api.errors import Unavailable
from ingest_api.view import TopicView
from shared import announcements, results
from shared.announcements import Announcement
from shared.internal import InternalAuth
from shared.kafka import partition_for
from shared.settings import Settings
from shared.topics import Topics

log = structlog.get_logger(__name__)

_PAUSE_BETWEEN_ROUNDS = 0.1
# A worker that shares a busy machine takes hundreds of milliseconds; one that died refuses at once.
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=1.0)


class Workers:
    """Asks the worker that serves an ECG's partition for the ECG's row."""

    def __init__(self, settings: Settings, topics: Topics, partitions: int) -> None:
        self._partitions = partitions
        self._timeout = settings.query_timeout
        self._auth = InternalAuth(settings.secret.get_secret_value())
        self._announced: dict[str, Announcement] = {}
        self._session: aiohttp.ClientSession | None = None
        self.view = TopicView(settings, topics.workers, self._apply)

    async def start(self) -> None:
        """Open the connection pool and learn the workers.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        self._session = aiohttp.ClientSession(
            timeout=_CALL_TIMEOUT,
            headers={self._auth.header: self._auth.token},
            connector=aiohttp.TCPConnector(limit=0),
        )
        await self.view.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self.view.stop()
        if self._session:
            await self._session.close()

    async def find(self, ecg_id: str) -> results.Insights | None:
        """Return the insights of an ECG, or None when there are none (yet).

        Follows a partition that moves from worker to worker until the deadline.

        Raises:
            Unavailable: if no worker that serves the partition answers in time.
        """
        partition = partition_for(ecg_id.encode(), self._partitions)
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    for url in self._candidates(partition):
                        answered, row = await self._ask(url, partition, ecg_id)
                        if answered:
                            return results.decode(row) if row is not None else None
                    await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)
        except TimeoutError:
            log.warning("no worker serves a partition", partition=partition)
            raise Unavailable("The insights are being moved to another worker, try again", missing="worker") from None

    async def any_alive(self) -> bool:
        """Tell whether some worker that serves a partition answers."""
        serving = [worker.url for worker in self._announced.values() if worker.partitions]
        return any(await asyncio.gather(*map(self._is_alive, serving)))

    def _apply(self, url: str, value: bytes | None) -> None:
        # Popped first, so that the dict is in the order of the announcements.
        self._announced.pop(url, None)
        if value is not None:
            self._announced[url] = announcements.decode(value)

    def _candidates(self, partition: int) -> list[str]:
        """Return who announced to have a partition, the latest first, and those with a mere copy last.

        The word of a worker that died may still stand.
        """
        latest = list(reversed(self._announced.values()))
        serving = [worker.url for worker in latest if partition in worker.partitions]
        return serving + [worker.url for worker in latest if partition in worker.standbys]

    async def _ask(self, url: str, partition: int, ecg_id: str) -> tuple[bool, bytes | None]:
        assert self._session is not None  # noqa: S101 - set by start
        try:
            async with self._session.get(f"{url}/rows/{partition}/{ecg_id}") as response:
                if response.status == HTTPStatus.OK:
                    return True, await response.read()
                return response.status == HTTPStatus.NOT_FOUND, None
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("worker did not answer", url=url, error=repr(error))
            return False, None

    async def _is_alive(self, url: str) -> bool:
        assert self._session is not None  # noqa: S101 - set by start
        try:
            async with self._session.get(f"{url}/health") as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False
