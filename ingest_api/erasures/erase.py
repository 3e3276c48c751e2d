"""Erases ECGs and recordings: publishes an erasure behind their messages, and waits until workers have processed it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import Request

from ingest_api.audit.writer import AuditWriter
from ingest_api.http.errors import NotFound, Unavailable
from ingest_api.kafka.publisher import Publisher, headers_of
from ingest_api.queries.lookup import Lookup, not_found
from ingest_api.queries.worker_client import WorkerClient
from ingest_api.users.registry import UserRegistry
from ingest_api.users.user_keys import UserKeys
from shared.kafka.topics import Topics
from shared.messages.audit import ADMIN
from shared.messages.erasures import CONTENT_TYPE, Erasure, Erasures
from shared.security.ids import IdIssuer
from shared.settings import Settings

_PAUSE = 0.02
_ECG_NOT_ACKNOWLEDGED = "The erasure was not acknowledged by the broker, try again"
_USER_NOT_ACKNOWLEDGED = "The deletion was not acknowledged by the broker, try again"


class Eraser:
    """Erases ECGs, recordings and users, after a record in the audit."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        *,
        publisher: Publisher,
        users: UserRegistry,
        keys: UserKeys,
        workers: WorkerClient,
        lookup: Lookup,
        issuer: IdIssuer,
        audit: AuditWriter,
    ) -> None:
        self._erasures = Erasures(settings.secret.get_secret_value())
        self._submissions = topics.submissions.name
        self._chunks = topics.chunks.name
        self._partitions = topics.submissions.partitions
        self._publish_timeout = settings.publish_timeout
        self._query_timeout = settings.query_timeout
        self._publisher = publisher
        self._users = users
        self._keys = keys
        self._workers = workers
        self._lookup = lookup
        self._issuer = issuer
        self._audit = audit

    async def erase_ecg(self, request: Request, user: str, ecg_id: str) -> bool:
        """Erase a user's ECG; return True if that is carried out, False if it is durable but not yet carried out.

        Raises:
            NotFound: if the user has no such ECG.
            Unavailable: if the broker did not acknowledge the erasure.
        """
        return await self._erase(request, user, ecg_id, recording=False)

    async def erase_recording(self, request: Request, user: str, recording_id: str) -> bool:
        """Erase a user's recording, as `erase_ecg` does.

        Raises:
            NotFound: if the user has no such recording.
            Unavailable: if the broker did not acknowledge the erasure.
        """
        return await self._erase(request, user, recording_id, recording=True)

    async def _erase(self, request: Request, user: str, ecg_id: str, *, recording: bool) -> bool:
        # An id that a gateway issued to the caller is the caller's: no worker need be asked for the owner.
        if not self._issuer.belongs(ecg_id, user, recording=recording):
            await self._lookup.find(request, ecg_id, user, recording=recording)
        await self._audit.record("recording_erased" if recording else "ecg_erased", user, ecg_id)
        topic = self._chunks if recording else self._submissions
        try:
            async with asyncio.timeout(self._publish_timeout):
                offset = await self._publish(topic, Erasure(user, ecg_id), ecg_id)
        except (KafkaError, TimeoutError):
            raise Unavailable(_ECG_NOT_ACKNOWLEDGED, missing="broker") from None
        return await self._in_time(self._erased(ecg_id, offset, recording=recording))

    async def erase_user(self, username: str) -> bool:
        """Delete a user with all of their ECGs and recordings; return True if that is carried out.

        False means that it is durable, but not yet carried out. It may be repeated: a step without anything (left) to
        do is harmless.

        Raises:
            NotFound: if there is neither such a user nor a data key of one.
            Unavailable: if it is not certain, because the broker did not acknowledge it.
        """
        try:
            async with asyncio.timeout(self._query_timeout):
                known = await self._users.has(username)
        except (KafkaError, TimeoutError):
            raise Unavailable(_USER_NOT_ACKNOWLEDGED, missing="broker") from None
        if known:
            # The audit record comes first, so that nothing is done without one.
            await self._audit.record("user_deleted", username, who=ADMIN)
        if not await self._delete(username):
            raise NotFound(f"User not found: {username}")
        return await self._in_time(self._all_erased(username))

    async def _delete(self, username: str) -> bool:
        """Publish the deletions of a user, and of their data keys, ECGs and recordings.

        Returns False if there was neither such a user nor a key.
        """
        try:
            async with asyncio.timeout(self._publish_timeout):
                # The user first, so that nothing can be submitted after the erasures, which would stay.
                known = await self._users.delete(username)
                sealed = await self._keys.destroy(username)
                await asyncio.gather(
                    *(
                        self._publish(topic, Erasure(username), username, partition)
                        for topic in (self._submissions, self._chunks)
                        for partition in range(self._partitions)
                    )
                )
        except (KafkaError, TimeoutError):
            raise Unavailable(_USER_NOT_ACKNOWLEDGED, missing="broker") from None
        return known or sealed

    async def _publish(self, topic: str, erasure: Erasure, key: str, partition: int | None = None) -> int:
        value, headers = self._erasures.seal(erasure), headers_of(CONTENT_TYPE)
        return await self._publisher.publish(topic, value, key.encode(), headers, partition)

    async def _in_time(self, carried_out: Coroutine[Any, Any, None]) -> bool:
        try:
            async with asyncio.timeout(self._query_timeout):
                await carried_out
        except (Unavailable, TimeoutError):
            return False
        return True

    async def _erased(self, ecg_id: str, offset: int, *, recording: bool) -> None:
        """Wait until the row of an ECG or a recording shows that it is erased.

        Raises:
            NotFound: if the id is that of a recording and not of an ECG, or the other way round.
        """
        while True:
            found = await self._workers.find(ecg_id)
            if found is not None and found.is_recording is not recording:
                raise not_found(ecg_id, recording=recording)
            if found is not None and found.offset >= offset:
                return
            await asyncio.sleep(_PAUSE)

    async def _all_erased(self, username: str) -> None:
        for recordings in (False, True):
            while any(page.rows for page in await self._workers.pages(username, 1, None, recordings=recordings)):  # noqa: ASYNC110 - workers have them
                await asyncio.sleep(_PAUSE)
