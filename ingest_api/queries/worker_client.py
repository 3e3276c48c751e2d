"""The gateway's client of the workers: it knows which of them serves a partition, and asks it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus
from ssl import SSLContext
from typing import TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
import structlog

from ingest_api.http.errors import Unavailable
from shared.kafka.clients import partition_for
from shared.kafka.compacted_view import TopicView
from shared.kafka.topics import Topics
from shared.messages import insights
from shared.security.tls import client_context
from shared.settings import Settings
from shared.worker_protocol import announcements
from shared.worker_protocol.announcements import Announcement
from shared.worker_protocol.auth import InternalAuth
from shared.worker_protocol.listing import Page, Position, Query, decode_page, encode_query

log = structlog.get_logger(__name__)

MOVED = "The insights are being moved to another worker, try again"
_PAUSE_BETWEEN_ROUNDS = 0.1
# A worker on a busy machine takes hundreds of milliseconds. A dead one refuses the connection at once.
_CALL_SECONDS = 1.0
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=_CALL_SECONDS)
# The time for which a worker is asked to hold a question: one that freezes delays the answer for so long.
_LONGEST_HOLD = 2.0
# A worker that holds too many questions answers at once. It is asked again after this time.
_PAUSE_IF_NOT_HELD = 1.0

T = TypeVar("T")
_rows_decoder = msgspec.json.Decoder(list[msgspec.Raw])


class WorkerClient:
    """Asks the workers for rows of ECGs and recordings, and for lists of users."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._partitions = topics.submissions.partitions
        self._timeout = settings.query_timeout
        # Without certificates the URLs are plain HTTP, and this has no effect.
        self._tls = client_context(settings.internal_files) if settings.internal_files else True
        self._auth = InternalAuth(settings.secret.get_secret_value())
        self._announced: dict[str, Announcement] = {}
        self._session: aiohttp.ClientSession | None = None
        self.view = TopicView(settings, topics.workers, self._apply)

    async def start(self) -> None:
        """Open the connection pool, and read which workers there are.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        self._session = aiohttp.ClientSession(
            timeout=_CALL_TIMEOUT,
            headers={self._auth.header: self._auth.token},
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
        )
        await self.view.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self.view.stop()
        if self._session:
            await self._session.close()

    async def find(self, ecg_id: str, owner: str | None = None, hold: float = 0.0) -> insights.Insights | None:
        """Return the insights of an ECG, or None if there are none (yet).

        Follows a partition that moves between workers, until the deadline. A worker without insights is asked to hold
        the question for `hold` seconds, in case they come.

        With an owner, workers do not return another user's insights: the result then has only that user's name.

        Raises:
            Unavailable: if no worker that serves the partition answers in time.
        """
        partition = partition_for(ecg_id.encode(), self._partitions)
        path, timeout = f"/rows/{partition}/{ecg_id}", _CALL_TIMEOUT
        question = {} if owner is None else {"owner": owner}
        if hold:
            question["wait"], timeout = f"{hold:.3f}", aiohttp.ClientTimeout(total=_CALL_SECONDS + hold)
        if question:
            path = f"{path}?{urlencode(question)}"
        [row] = await self._of_partition(partition, path, _row, timeout, self._timeout + hold)
        return row

    async def parts(self, recording_id: str, kind: str, numbers: range, limit: int) -> list[msgspec.Raw]:
        """Return the rows of a recording's parts of a kind with these numbers, in order, and at most `limit` of them.

        For chunks, the one before the first number is included, because its samples may extend into the range. The
        caller must have checked the owner.

        Raises:
            Unavailable: if no worker that serves the partition answers in time.
        """
        partition = partition_for(recording_id.encode(), self._partitions)
        question = urlencode({"kind": kind, "from": numbers.start, "to": numbers.stop, "limit": limit})
        path = f"/parts/{partition}/{recording_id}?{question}"
        [rows] = await self._of_partition(partition, path, _rows, _CALL_TIMEOUT, self._timeout)
        return rows

    async def pages(self, username: str, limit: int, after: Position | None, *, recordings: bool = False) -> list[Page]:
        """Return the first rows of a user's list after a position, as pages that together cover all partitions.

        The list is that of the user's ECGs, or of the user's `recordings`.

        Each worker is asked once for all of its partitions, all workers at the same time. For partitions that are still
        missing, the next workers that have them are asked, until the deadline.

        Raises:
            Unavailable: if no worker that serves a partition answers in time.
        """
        missing = set(range(self._partitions))
        pages: list[Page] = []
        turn = 0
        try:
            async with asyncio.timeout(self._timeout):
                while missing:
                    asked = self._in_turn(missing, turn)
                    queries = [Query(username, partitions, limit, after, recordings) for partitions in asked.values()]
                    for page in await asyncio.gather(*map(self._list, asked, queries)):
                        if page is not None:
                            pages.append(page)
                            missing.difference_update(page.partitions)
                    turn += 1
                    if not asked:
                        turn = 0
                        await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)
        except TimeoutError:
            log.warning("no worker serves some partitions", partitions=sorted(missing))
            raise Unavailable("The list is being moved to another worker, try again", missing="worker") from None
        return pages

    async def wait_for(self, ecg_id: str, owner: str | None, seconds: float) -> insights.Insights | None:
        """Return the result of `find` as soon as there are insights of this owner, or after `seconds`.

        Raises:
            Unavailable: if no worker that serves the partition has answered in that time.
        """
        clock = asyncio.get_running_loop().time
        deadline, answered = clock() + seconds, False
        found: insights.Insights | None = None
        while True:
            asked = clock()
            try:
                # The last answer comes at the deadline, or a little later if a worker has gone.
                async with asyncio.timeout_at(deadline + _PAUSE_BETWEEN_ROUNDS if answered else None):
                    found = await self.find(ecg_id, owner, min(deadline - asked, _LONGEST_HOLD))
                    if found is not None and owner in (None, found.username):
                        return found
                    answered = True
                    await asyncio.sleep(asked + _PAUSE_IF_NOT_HELD - clock())
            except Unavailable:
                if clock() >= deadline:
                    raise
            except TimeoutError:
                return found
            if clock() >= deadline:
                return found

    async def any_alive(self) -> bool:
        """Return True if any worker that serves a partition answers."""
        serving = [worker.url for worker in self._announced.values() if worker.partitions]
        return any(await asyncio.gather(*map(self._is_alive, serving)))

    def _apply(self, url: str, value: bytes | None) -> None:
        if isinstance(self._tls, SSLContext) and not url.startswith("https:"):
            return  # the password would go to it unencrypted
        # Removed first, so that the dict keeps the order of the announcements.
        self._announced.pop(url, None)
        if value is not None:
            self._announced[url] = announcements.decode(value)

    def _candidates(self, partition: int) -> list[str]:
        """Return the URLs of the workers that announced a partition, the latest first, then of those with a copy.

        A worker that has died may still be among them.
        """
        latest = list(reversed(self._announced.values()))
        serving = [worker.url for worker in latest if partition in worker.partitions]
        return serving + [worker.url for worker in latest if partition in worker.standbys]

    def _in_turn(self, partitions: set[int], turn: int) -> dict[str, list[int]]:
        """Return the partitions to ask each worker for, after `turn` other candidates for them were asked."""
        asked: dict[str, list[int]] = defaultdict(list)
        for partition in sorted(partitions):
            for url in self._candidates(partition)[turn : turn + 1]:
                asked[url].append(partition)
        return asked

    async def _list(self, url: str, query: Query) -> Page | None:
        assert self._session is not None  # noqa: S101 - set by start
        try:
            async with self._session.post(f"{url}/listing", data=encode_query(query)) as response:
                return decode_page(await response.read()) if response.status == HTTPStatus.OK else None
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("worker did not answer", url=url, error=repr(error))
            return None

    async def _of_partition(
        self,
        partition: int,
        path: str,
        read: Callable[[int, bytes], tuple[T] | None],
        timeout: aiohttp.ClientTimeout,
        seconds: float,
    ) -> tuple[T]:
        """Ask the workers of a partition, one after the other, until one knows the answer, and return it.

        Args:
            partition: the partition, which may move between workers meanwhile.
            path: the path and query of the call.
            read: returns the result of an answer, from its status and body, or None if the worker does not know.
            timeout: the timeout of a single call.
            seconds: the time after which this gives up.

        Raises:
            Unavailable: if no worker knows the answer in that time.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for url in self._candidates(partition):
                        answer = await self._ask(url + path, timeout)
                        if answer is not None and (result := read(*answer)) is not None:
                            return result
                    await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)
        except TimeoutError:
            log.warning("no worker serves a partition", partition=partition)
            raise Unavailable(MOVED, missing="worker") from None

    async def _ask(self, url: str, timeout: aiohttp.ClientTimeout) -> tuple[int, bytes] | None:
        """Return the status and the body of a worker's answer, or None if it does not answer."""
        assert self._session is not None  # noqa: S101 - set by start
        try:
            async with self._session.get(url, timeout=timeout) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("worker did not answer", url=url, error=repr(error))
            return None

    async def _is_alive(self, url: str) -> bool:
        assert self._session is not None  # noqa: S101 - set by start
        try:
            async with self._session.get(f"{url}/health") as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False


def _row(status: int, body: bytes) -> tuple[insights.Insights | None] | None:
    if status == HTTPStatus.OK:
        return (insights.decode(body),)
    if status != HTTPStatus.NOT_FOUND:
        return None
    other = insights.owner(body)
    return (insights.Insights("", other) if other is not None else None,)


def _rows(status: int, body: bytes) -> tuple[list[msgspec.Raw]] | None:
    return (_rows_decoder.decode(body),) if status == HTTPStatus.OK else None
