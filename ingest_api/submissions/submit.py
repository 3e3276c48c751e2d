"""Accepting submissions: read the body within limits, publish the ECG, and wait for the broker's acknowledgement."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import msgspec
import structlog
from aiokafka.errors import KafkaError
from fastapi import Request

from ingest_api import metrics
from ingest_api.audit.writer import AuditWriter
from ingest_api.http.body import announced_length, check_media_type, over, read_body
from ingest_api.http.errors import ApiError, TooLarge, Unauthorized, Unavailable, Unprocessable
from ingest_api.kafka.publisher import Headers, Publisher, headers_of
from ingest_api.submissions.memory_budget import MemoryBudget, Submission
from ingest_api.submissions.quotas import Quotas
from ingest_api.users.registry import UserRegistry
from ingest_api.users.user_keys import UserKeys
from shared.ecg import Content, Ecg, narrowed
from shared.encoding import MEDIA_TYPES, decode_submission, packed, plain
from shared.errors import InvalidEcg
from shared.kafka.topics import Topics
from shared.security.data_keys import HEADER as DATA_KEY_HEADER
from shared.security.ids import IdIssuer
from shared.settings import Settings
from shared.tracing import Tracing

log = structlog.get_logger(__name__)

_HEADER = "idempotency-key"
# ECGs of one batch under way at the same time: enough to fill the producer's batches, and few enough that other
# requests get their turns between them.
_UNDER_WAY = 64
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Submissions:
    """Publishes ECGs for the workers, in bounded memory."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        publisher: Publisher,
        issuer: IdIssuer,
        quotas: Quotas,
        *,
        users: UserRegistry,
        keys: UserKeys,
        audit: AuditWriter,
        tracing: Tracing | None,
    ) -> None:
        self._publisher = publisher
        self._issuer = issuer
        self._quotas = quotas
        self._users = users
        self._keys = keys
        self._audit = audit
        self._tracing = tracing
        self._topic = topics.submissions.name
        self._max_body = settings.max_body_bytes
        self._timeout = settings.publish_timeout
        self._budget = MemoryBudget(settings.max_inflight_bytes, settings.client_timeout)
        metrics.inflight.set_function(lambda: self._budget.held)

    async def accept(self, request: Request, username: str) -> str:
        """Accept a submission and return the ECG's id. The ECG is durable when this returns.

        Raises:
            ApiError: if the body is refused, or the broker does not acknowledge it in time.
        """
        media_type = check_media_type(request, MEDIA_TYPES)
        key = idempotency_key(request)
        announced = announced_length(request, self._max_body)
        with self._budget.submission() as held:
            held.check(announced or 0)
            # A body in chunks counts as the largest one allowed until its size is known.
            expected = self._max_body if announced is None else announced
            self._quotas.use(username, expected)
            body = await self._read(request, held)
            if announced is None:
                self._quotas.correct(username, len(body) - expected)
            with _refusing():
                content = decode_submission(body, media_type)
            return await self._publish(content, username, key, is_packed=media_type == packed.CONTENT_TYPE)

    async def accept_batch(self, request: Request, username: str) -> list[str | ApiError]:
        """Accept a list of submissions in the packed encoding, and return the id of each, or why it is refused.

        The ECGs whose ids are returned are durable then; one that is refused does not stop the others.

        Raises:
            ApiError: if the whole is refused; nothing of it is accepted then.
        """
        check_media_type(request, [packed.CONTENT_TYPE])
        if idempotency_key(request) is not None:
            raise Unprocessable(f"{_HEADER}: give each ECG of a batch its own idempotency_key instead", field=_HEADER)
        announced = announced_length(request, self._max_body)
        with self._budget.submission() as held:
            held.check(announced or 0)
            self._quotas.check(username)
            body = await self._read(request, held)
            with _refusing():
                batch = packed.split_batch(body)
            answers: dict[int, str | ApiError] = {}
            waiting = iter(enumerate(batch))

            async def work() -> None:
                for i, value in waiting:
                    try:
                        answers[i] = await self._accept_batched(value, username)
                    except ApiError as error:
                        answers[i] = error

            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(_UNDER_WAY, len(batch))):
                    tasks.create_task(work())
            return [answers[i] for i in range(len(batch))]

    async def _read(self, request: Request, held: Submission) -> bytes:
        async with held.arrival():
            return await read_body(request, self._max_body, held.add)

    async def _accept_batched(self, value: msgspec.Raw, username: str) -> str:
        with _refusing():
            key, content = packed.decode_batched(value)
        if key is not None:
            check_idempotency_key(key, "idempotency_key")
        self._quotas.use(username, len(memoryview(value)))
        return await self._publish(content, username, key, is_packed=True)

    async def _publish(self, content: Content, username: str, key: str | None, *, is_packed: bool) -> str:
        if is_packed and key is not None:
            content = narrowed(content)
        ecg = Ecg.of(self._issue(username, key, content), username, content)
        value, content_type = packed.encode(ecg), packed.CONTENT_TYPE
        if len(value) > self._max_body:
            if is_packed:
                # The id and the owner do not fit in any more, and as JSON most ECGs are larger.
                raise TooLarge(over(self._max_body))
            # One huge sample can make a packed lead eight times as large. As JSON, the ECG is as small as the body was.
            value, content_type = plain.encode(ecg), plain.CONTENT_TYPE
        headers = [*headers_of(content_type), ("username", username.encode())]
        try:
            with self._tracing.publishing(self._topic) if self._tracing else nullcontext(()) as context:
                async with asyncio.timeout(self._timeout):
                    if self._keys.sealing:
                        key_id, value = await self._seal(username, ecg.id, value)
                        headers.append((DATA_KEY_HEADER, key_id.encode()))
                    await self._send(ecg, value, [*headers, *context])
        except (KafkaError, TimeoutError) as error:
            log.warning("submission not acknowledged", error=repr(error))
            raise Unavailable(
                "The submission was not acknowledged by the broker, try again", missing="broker"
            ) from None
        return ecg.id

    async def _seal(self, username: str, ecg_id: str, message: bytes) -> tuple[str, bytes]:
        if (registered_at := self._users.registered_at(username)) is None:
            raise Unauthorized("Invalid user token")  # the user was deleted meanwhile
        return await self._keys.seal(username, registered_at, ecg_id, message)

    async def _send(self, ecg: Ecg, value: bytes, headers: Headers) -> None:
        # The audit record and the ECG are sent at the same time, so that the audit adds no round trip.
        recorded = self._audit.note("ecg_submitted", ecg.username, ecg.id)
        try:
            await self._publisher.publish(self._topic, value, ecg.id.encode(), headers)
            if not await recorded:
                raise KafkaError("the audit record was not written")
        finally:
            recorded.cancel()

    def _issue(self, username: str, key: str | None, content: Content) -> str:
        if key is None:
            return self._issuer.issue(username)
        # The packed form is the same, however the body was written, because its samples are as narrow as they can be. A
        # label does not make another ECG.
        unlabelled = msgspec.structs.replace(content, label=None)
        return self._issuer.issue_once(username, key, packed.encode(Ecg.of("", username, unlabelled)))


def idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a request, or None.

    Raises:
        Unprocessable: if it is empty, too long, or has other characters than visible ASCII, or if there are different
            ones: none of them can be preferred, and a retry that leaves one out would make another ECG.
    """
    keys = set(request.headers.getlist(_HEADER))
    if not keys:
        return None
    if len(keys) > 1:
        raise Unprocessable(f"{_HEADER}: is there more than once, with different values: send one", field=_HEADER)
    [key] = keys
    check_idempotency_key(key, _HEADER)
    return key


def check_idempotency_key(key: str, field: str) -> None:
    """Check a key that was given.

    Raises:
        Unprocessable: if it is empty, too long, or has other characters than visible ASCII.
    """
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Unprocessable(f"{field}: must be 1 to 255 visible ASCII characters", field=field)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn the error of what breaks the schema into its answer."""
    try:
        yield
    except InvalidEcg as error:
        raise Unprocessable(str(error), field=error.field) from None
