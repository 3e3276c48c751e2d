"""Accepting ECGs: one, or a batch of them. Each is durable once its id is returned."""

import asyncio

import msgspec
from fastapi import Request

from ingest_api.http.body import check_media_type
from ingest_api.http.errors import ApiError, Unavailable, Unprocessable
from ingest_api.submissions.intake import Destination, Intake, check_idempotency_key, idempotency_key, refusing
from shared.ecg import Content, Ecg, narrowed
from shared.encoding import MEDIA_TYPES, decode_submission, packed, plain
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer
from shared.settings import MIB

_HEADER = "idempotency-key"
# ECGs of one batch under way at the same time: enough to fill the producer's batches, and few enough that other
# requests get their turns between them. Of large ECGs fewer fill them, and others would only wait in memory: whenever
# one of the producer's batches is sent, all ECGs that wait for this partition are woken, and one or two find room.
_UNDER_WAY, _LARGE_UNDER_WAY = 64, 4
_BYTES_UNDER_WAY = MIB


class Submissions:
    """Publishes ECGs for the workers."""

    def __init__(self, topics: Topics, intake: Intake, issuer: IdIssuer) -> None:
        self._intake = intake
        self._issuer = issuer
        self._destination = Destination(topics.submissions.name, packed.encode, plain.encode)

    async def accept(self, request: Request, username: str) -> str:
        """Accept a submission and return the ECG's id. The ECG is durable when this returns.

        Raises:
            ApiError: if the body is refused, or the broker does not acknowledge it in time.
        """
        media_type = check_media_type(request, MEDIA_TYPES)
        key = idempotency_key(request)
        async with self._intake.body(request, username) as body:
            with refusing():
                content = decode_submission(body, media_type)
            return await self._publish(content, username, key, is_packed=media_type == packed.CONTENT_TYPE)

    async def accept_batch(self, request: Request, username: str) -> list[str | ApiError]:
        """Accept a list of submissions in the packed encoding, and return an id or an error for each.

        ECGs with an id are durable. A refused submission does not affect the others; but once one cannot be accepted
        for now, those that are left are not tried: each would wait as long for a broker that does not answer.

        Raises:
            ApiError: if the batch is refused as a whole; then nothing of it is accepted.
        """
        check_media_type(request, [packed.CONTENT_TYPE])
        if idempotency_key(request) is not None:
            raise Unprocessable(f"{_HEADER}: give each ECG of a batch its own idempotency_key instead", field=_HEADER)
        async with self._intake.batch(request, username) as body:
            with refusing():
                batch = packed.split_batch(body)
            answers: dict[int, str | ApiError] = {}
            waiting = iter(enumerate(batch))
            unavailable: Unavailable | None = None

            async def work() -> None:
                nonlocal unavailable
                for i, value in waiting:
                    try:
                        answers[i] = unavailable or await self._accept_batched(value, username)
                    except ApiError as error:
                        answers[i] = _without_frames(error)
                        if isinstance(error, Unavailable):
                            unavailable = error

            async with asyncio.TaskGroup() as tasks:
                for _ in range(_under_way(len(batch), len(body))):
                    tasks.create_task(work())
            return [answers[i] for i in range(len(batch))]

    async def _accept_batched(self, value: msgspec.Raw, username: str) -> str:
        with refusing():
            key, content = packed.decode_batched(value)
        if key is not None:
            check_idempotency_key(key, "idempotency_key")
        self._intake.quotas.use(username, len(memoryview(value)))
        return await self._publish(content, username, key, is_packed=True)

    async def _publish(self, content: Content, username: str, key: str | None, *, is_packed: bool) -> str:
        if is_packed and key is not None:
            content = narrowed(content)
        ecg = Ecg.of(self._issue(username, key, content), username, content)
        await self._intake.publish(ecg, self._destination, "ecg_submitted", is_packed=is_packed)
        return ecg.id

    def _issue(self, username: str, key: str | None, content: Content) -> str:
        if key is None:
            return self._issuer.issue(username)
        # The packed form is the same, however the body was written, because its samples are as narrow as they can be. A
        # label does not make another ECG.
        unlabelled = msgspec.structs.replace(content, label=None)
        return self._issuer.issue_once(username, key, packed.encode(Ecg.of("", username, unlabelled)))


def _under_way(number: int, size: int) -> int:
    """Return how many of a batch's ECGs may be under way at the same time; the batch has `size` bytes."""
    return min(number, _UNDER_WAY, max(_LARGE_UNDER_WAY, _BYTES_UNDER_WAY * number // size))


def _without_frames(error: ApiError) -> ApiError:
    """Return an error without references to the frames that raised it, which would keep the submission in memory."""
    error.__context__ = None
    return error.with_traceback(None)
