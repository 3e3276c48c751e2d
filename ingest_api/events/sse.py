"""Streams of server-sent events: a user's ECGs as they finish."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

import orjson
import structlog
from aiokafka.errors import KafkaError
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest_api.audit.writer import AuditWriter
from ingest_api.events.fanout import Fanout, Follower
from ingest_api.http.disconnect import hold
from ingest_api.http.errors import RETRY_AFTER_SECONDS, TooManyRequests, Unavailable, Unprocessable
from ingest_api.kafka.offset_cursor import OffsetCursors
from ingest_api.queries import answers
from ingest_api.queries.labels import Labels
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.recordings import answers as recordings
from ingest_api.users.credentials import USER_HEADER
from ingest_api.users.credentials import token as token_of
from ingest_api.users.registry import UserRegistry
from shared.kafka.topics import Topics
from shared.messages.insights import decode
from shared.settings import Settings

log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/event-stream"
_LAST_ID = "last-event-id"
_RETRY_MS = 1000
# Time limit for writing the end of a stream, which a client that does not read would block.
_FAREWELL_SECONDS = 0.5


class Streams:
    """Opens event streams, up to a limit for each user and one for all."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        users: UserRegistry,
        workers: WorkerClient,
        *,
        audit: AuditWriter,
        labels: Labels,
    ) -> None:
        self.labels = labels
        self.users = users
        self.workers = workers
        self.audit = audit
        self.keep_alive = settings.keep_alive
        self.positions = OffsetCursors(settings, topics.insights, topics.insights.partitions)
        self.fanout = Fanout(settings, topics.insights)
        self._limit = settings.max_streams
        self._limit_per_user = settings.max_streams_per_user
        self._open: Counter[str] = Counter()

    def open(self, request: Request, username: str) -> "EventStream":
        """Return a stream as a response. It begins after the `Last-Event-ID` of the request, or now.

        Raises:
            Unprocessable: if that is not the id of an event.
        """
        # Browsers may send an empty id if no event has come yet.
        last = request.headers.get(_LAST_ID)
        try:
            position = self.positions.decode(last) if last else None
        except ValueError:
            raise Unprocessable(f"{_LAST_ID}: must be the id of an event of this stream", field=_LAST_ID) from None
        return EventStream(self, request, username, position)

    @contextlib.contextmanager
    def room(self, username: str) -> Iterator[None]:
        """Count a stream of a user until the block ends.

        Raises:
            TooManyRequests: if the user has too many streams.
            Unavailable: if all users together have too many.
        """
        if self._open[username] >= self._limit_per_user:
            raise TooManyRequests(
                f"You have {self._limit_per_user} open streams, the limit: close one, or try again later",
                RETRY_AFTER_SECONDS,
            )
        if self._open.total() >= self._limit:
            raise Unavailable("Too many streams are open, try again", missing="gateway")
        self._open[username] += 1
        try:
            yield
        finally:
            self._open[username] -= 1
            if not self._open[username]:
                del self._open[username]


class EventStream(Response):
    """A stream, which ends when its client disconnects, its token is revoked or the gateway stops."""

    def __init__(self, streams: Streams, request: Request, username: str, position: list[int] | None) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        # It is that of an empty body.
        del self.headers["content-length"]
        self._streams = streams
        self._request = request
        self._username = username
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            TooManyRequests, Unavailable: before the answer has begun.
        """
        begun = False
        try:
            with self._streams.room(self._username):
                async with self._streams.fanout.follow(self._username, self._position) as follower:
                    await self._streams.audit.record("events_followed", self._username)
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    begun = True
                    await hold(self._request, self._serve(send, follower))
        except (KafkaError, TimeoutError, Unavailable) as error:
            log.warning("insights cannot be followed", error=repr(error))
            if not begun:
                if isinstance(error, Unavailable):
                    raise
                raise Unavailable("The insights cannot be followed now, try again", missing="broker") from None
        # The client will resume, here or at another gateway.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await send({"type": "http.response.body", "body": b""})

    async def _serve(self, send: Send, follower: Follower) -> None:
        fanout, clock = self._streams.fanout, asyncio.get_running_loop().time
        more: asyncio.Task[None] | None = None
        await _write(send, f"retry: {_RETRY_MS}\n{self._id(follower)}\n")
        sign_due = clock() + self._streams.keep_alive
        try:
            while await self._is_allowed():
                if (row := follower.take()) is not None:
                    text = (
                        await self._event(row.value) if row.is_new or await self._is_there(row.value) else ": erased\n"
                    )
                elif (left := sign_due - clock()) <= 0:
                    fanout.skip(follower)
                    text = ": keep-alive\n"
                else:
                    more = more or asyncio.create_task(fanout.more(follower))
                    await asyncio.wait([more], timeout=left)
                    if more.done():
                        more.result()
                        more = None
                    continue
                await _write(send, f"{text}{self._id(follower)}\n")
                sign_due = clock() + self._streams.keep_alive
        finally:
            if more is not None:
                more.cancel()
                await asyncio.gather(more, return_exceptions=True)

    async def _is_allowed(self) -> bool:
        """Return True if the token is still the user's, because it may be revoked at any time."""
        token = token_of(self._request.headers, USER_HEADER)
        users = self._streams.users
        return (users.recognise(token) or await users.look_up(token)) == self._username

    async def _is_there(self, value: bytes) -> bool:
        """Return False if the ECG of a row that was read late is erased by now: the topic may still hold the row.

        Raises:
            Unavailable: if no worker answers in time.
        """
        try:
            ecg_id = decode(value).ecg_id
        except ValueError:
            return True
        found = await self._streams.workers.find(ecg_id, self._username)
        return found is not None and found.username == self._username

    async def _event(self, row: bytes) -> str:
        """Return a row as the fields of an event, or as a comment if it cannot be decoded.

        Raises:
            Unavailable: if the data key of its label cannot be looked up.
        """
        try:
            insights = decode(row)
        except ValueError:
            return ": unreadable\n"
        [label] = await self._streams.labels.of([insights])
        if insights.is_recording:
            return _fields("recording", recordings.event(insights, label))
        if insights.error is not None:
            return _fields("failed", answers.failure(insights, label))
        return _fields("insights", answers.event(insights, label))

    def _id(self, follower: Follower) -> str:
        return f"id: {self._streams.positions.encode(follower.position)}\n"


def _fields(name: str, data: dict[str, object]) -> str:
    # orjson writes no line breaks, which would end the field.
    return f"event: {name}\ndata: {orjson.dumps(data).decode()}\n"


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
