"""Erasing ECGs: a message behind what is to be erased, and the wait until workers have come to it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka.errors import KafkaError

from ingest_api.http.errors import Unavailable
from ingest_api.kafka.publisher import Publisher, headers_of
from ingest_api.queries.worker_client import Workers
from ingest_api.users.data_keys import UserKeys
from ingest_api.users.registry import Users
from shared.kafka.topics import Topics
from shared.messages.erasures import CONTENT_TYPE, Erasure, Erasures
from shared.settings import Settings

_PAUSE = 0.02
_NOT_ACKNOWLEDGED = "The erasure was not acknowledged by the broker, try again"


class Erasing:
    """Erases ECGs and users."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        *,
        publisher: Publisher,
        users: Users,
        keys: UserKeys,
        workers: Workers,
    ) -> None:
        self._erasures = Erasures(settings.secret.get_secret_value())
        self._topic = topics.submissions.name
        self._partitions = topics.submissions.partitions
        self._publish_timeout = settings.publish_timeout
        self._query_timeout = settings.query_timeout
        self._publisher = publisher
        self._users = users
        self._keys = keys
        self._workers = workers

    async def erase(self, username: str, ecg_id: str) -> bool:
        """Erase a user's ECG; return whether that is carried out, or only certain to be.

        Raises:
            Unavailable: if it is not certain: the broker did not acknowledge it.
        """
        try:
            async with asyncio.timeout(self._publish_timeout):
                offset = await self._publish(Erasure(username, ecg_id), ecg_id)
        except (KafkaError, TimeoutError):
            raise Unavailable(_NOT_ACKNOWLEDGED, missing="broker") from None
        return await self._in_time(self._erased(ecg_id, offset))

    async def erase_user(self, username: str) -> tuple[bool, bool]:
        """Delete a user, and erase all of theirs; return whether there was anything, and whether it is carried out.

        It may be done again: each step is harmless where there is nothing (left) to do.

        Raises:
            Unavailable: if it is not certain: the broker did not acknowledge it.
        """
        try:
            async with asyncio.timeout(self._publish_timeout):
                # Nothing may be submitted any more when the erasures are published.
                known = await self._users.delete(username)
                sealed = await self._keys.destroy(username)
                await asyncio.gather(
                    *(self._publish(Erasure(username), username, partition) for partition in range(self._partitions))
                )
        except (KafkaError, TimeoutError):
            raise Unavailable("The deletion was not acknowledged by the broker, try again", missing="broker") from None
        if not (known or sealed):
            return False, False
        return True, await self._in_time(self._all_erased(username))

    async def _publish(self, erasure: Erasure, key: str, partition: int | None = None) -> int:
        value, headers = self._erasures.seal(erasure), headers_of(CONTENT_TYPE)
        return await self._publisher.publish(self._topic, value, key.encode(), headers, partition)

    async def _in_time(self, carried_out: Coroutine[Any, Any, None]) -> bool:
        try:
            async with asyncio.timeout(self._query_timeout):
                await carried_out
        except (Unavailable, TimeoutError):
            return False
        return True

    async def _erased(self, ecg_id: str, offset: int) -> None:
        while (found := await self._workers.find(ecg_id)) is None or found.offset < offset:  # noqa: ASYNC110 - a worker has the row
            await asyncio.sleep(_PAUSE)

    async def _all_erased(self, username: str) -> None:
        while any(page.rows for page in await self._workers.pages(username, 1, None)):  # noqa: ASYNC110 - workers have them
            await asyncio.sleep(_PAUSE)
