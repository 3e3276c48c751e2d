"""The intake of submissions: reads a body within limits, publishes its message, and waits for the acknowledgement."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Generic, NamedTuple, TypeVar

import structlog
from aiokafka.errors import KafkaError
from fastapi import Request

from ingest_api import metrics
from ingest_api.audit.writer import AuditWriter
from ingest_api.http.body import BodyLimit, announced_length, read_body
from ingest_api.http.errors import TooLarge, Unauthorized, Unavailable, Unprocessable
from ingest_api.kafka.publisher import Headers, Publisher, headers_of
from ingest_api.submissions.memory_budget import MemoryBudget, Submission
from ingest_api.submissions.quotas import Quotas
from ingest_api.users.registry import UserRegistry
from ingest_api.users.user_keys import UserKeys
from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.ecg import Ecg
from shared.encoding import packed, plain
from shared.errors import InvalidEcg
from shared.messages.audit import Action
from shared.messages.headers import USERNAME_HEADER
from shared.settings import Settings
from shared.tracing import Tracing

log = structlog.get_logger(__name__)

NOT_ACKNOWLEDGED = "The submission was not acknowledged by the broker, try again"
ADVICE = "send a long recording in parts"
BATCH_ADVICE = "send fewer ECGs in a batch, or a long recording in parts"
_KEY_HEADER = "idempotency-key"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")

M = TypeVar("M", bound=Ecg)


class Destination(NamedTuple, Generic[M]):
    """A topic, and the encoders of its messages: packed, or as JSON if the packed message is larger than the limit."""

    topic: str
    pack: Callable[[M], bytes]
    write: Callable[[M], bytes]


class Intake:
    """Takes in submissions of users, in bounded memory and within their quotas."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        quotas: Quotas,
        *,
        users: UserRegistry,
        keys: UserKeys,
        audit: AuditWriter,
        tracing: Tracing | None,
    ) -> None:
        self.quotas = quotas
        self._publisher = publisher
        self._users = users
        self._keys = keys
        self._audit = audit
        self._tracing = tracing
        self._limit = BodyLimit(settings.max_body_bytes, ADVICE)
        self._batch_limit = BodyLimit(settings.max_body_bytes, BATCH_ADVICE)
        self._timeout = settings.publish_timeout
        self._budget = MemoryBudget(settings.max_inflight_bytes, settings.client_timeout)
        metrics.inflight.set_function(lambda: self._budget.held)

    @asynccontextmanager
    async def body(self, request: Request, username: str) -> AsyncIterator[bytes]:
        """Yield the body of a submission, and count it in the user's quotas. It is in memory until the block ends.

        Raises:
            ApiError: if it is refused.
        """
        announced = announced_length(request, self._limit)
        with self._budget.submission() as held:
            held.check(announced or 0)
            # A body in chunks counts as the largest one allowed until its size is known.
            expected = self._limit.size if announced is None else announced
            self.quotas.use(username, expected)
            value = await _read(request, self._limit, held)
            if announced is None:
                self.quotas.correct(username, len(value) - expected)
            yield value

    @asynccontextmanager
    async def batch(self, request: Request, username: str) -> AsyncIterator[bytes]:
        """Yield the body of a batch, as `body` does, but without counting it in the quotas.

        Raises:
            ApiError: if it is refused.
        """
        announced = announced_length(request, self._batch_limit)
        with self._budget.submission() as held:
            held.check(announced or 0)
            self.quotas.check(username)
            yield await _read(request, self._batch_limit, held)

    async def publish(self, message: M, to: Destination[M], action: Action | None, *, is_packed: bool) -> None:
        """Publish a message for its owner. It is durable when this returns.

        Args:
            message: the ECG or chunk, with its id and its owner.
            to: the destination of the message.
            action: the action to record in the audit, or None.
            is_packed: True if the user sent it in the packed encoding.

        Raises:
            TooLarge: if the message exceeds the limit with its id and its owner.
            Unauthorized: if the user was deleted meanwhile.
            Unavailable: if the broker does not acknowledge it in time.
        """
        value, content_type = to.pack(message), packed.CONTENT_TYPE
        if len(value) > self._limit.size and not is_packed:
            # One huge sample can make a packed lead eight times as large. As JSON, it is about as small as the body.
            value, content_type = to.write(message), plain.CONTENT_TYPE
        if len(value) > self._limit.size:
            # With its id and its owner: workers would refuse it.
            raise TooLarge(self._limit.exceeded)
        headers = [*headers_of(content_type), (USERNAME_HEADER, message.username.encode())]
        try:
            with self._tracing.publishing(to.topic) if self._tracing else nullcontext(()) as context:
                async with asyncio.timeout(self._timeout):
                    if self._keys.sealing:
                        key_id, value = await self._seal(message, value)
                        headers.append((DATA_KEY_HEADER, key_id.encode()))
                    await self._send(message, to.topic, value, [*headers, *context], action)
        except (KafkaError, TimeoutError) as error:
            log.warning("submission not acknowledged", error=repr(error))
            raise Unavailable(NOT_ACKNOWLEDGED, missing="broker") from None

    async def _seal(self, message: Ecg, value: bytes) -> tuple[str, bytes]:
        if (registered_at := self._users.registered_at(message.username)) is None:
            raise Unauthorized("Invalid user token")  # the user was deleted meanwhile
        return await self._keys.seal(message.username, registered_at, message.id, value)

    async def _send(self, message: Ecg, topic: str, value: bytes, headers: Headers, action: Action | None) -> None:
        key = message.id.encode()
        if action is None:
            await self._publisher.publish(topic, value, key, headers)
            return
        # The audit record and the message are sent at the same time, so that the audit adds no round trip.
        recorded = self._audit.note(action, message.username, message.id)
        try:
            await self._publisher.publish(topic, value, key, headers)
            if not await recorded:
                raise KafkaError("the audit record was not written")
        finally:
            recorded.cancel()


async def _read(request: Request, limit: BodyLimit, held: Submission) -> bytes:
    async with held.arrival():
        return await read_body(request, limit, held.add)


def idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a request, or None.

    Raises:
        Unprocessable: if it is empty, too long, or has other characters than visible ASCII, or if the request has
            different keys: none of them takes precedence, and a retry without one would create another ECG.
    """
    keys = set(request.headers.getlist(_KEY_HEADER))
    if not keys:
        return None
    if len(keys) > 1:
        raise Unprocessable(
            f"{_KEY_HEADER}: is given more than once, with different values: send one", field=_KEY_HEADER
        )
    [key] = keys
    check_idempotency_key(key, _KEY_HEADER)
    return key


def check_idempotency_key(key: str, field: str) -> None:
    """Check an idempotency key.

    Raises:
        Unprocessable: if it is empty, too long, or has other characters than visible ASCII.
    """
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Unprocessable(f"{field}: must be 1 to 255 visible ASCII characters", field=field)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors of the schema into answers of 422.

    Raises:
        Unprocessable: if the block raises `InvalidEcg`.
    """
    try:
        yield
    except InvalidEcg as error:
        raise Unprocessable(str(error), field=error.field) from None
