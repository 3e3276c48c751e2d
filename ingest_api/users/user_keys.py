"""The data keys of users: made with their first submission, destroyed with the user."""

import asyncio
from datetime import datetime

from ingest_api.kafka.publisher import Publisher
from shared.kafka.topics import Topics
from shared.security.data_keys import DataKeys
from shared.settings import Settings


class UserKeys:
    """Seals what users submit, if that is wanted, and opens what was sealed."""

    def __init__(self, settings: Settings, topics: Topics, publisher: Publisher) -> None:
        self.sealing = settings.encrypt_submissions
        self._keys = DataKeys(settings, topics)
        self._topic = topics.keys.name
        self._publisher = publisher
        self._making = asyncio.Lock()

    async def start(self) -> None:
        """Learn the keys, if any is to be used.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        if self.sealing:
            await self._keys.catch_up()

    async def stop(self) -> None:
        """Stop following them."""
        await self._keys.stop()

    async def seal(self, username: str, registered_at: datetime, ecg_id: str, message: bytes) -> tuple[str, bytes]:
        """Return the id of a user's key, which is made if there is none, and an ECG's message, sealed with it.

        A key is of a user as registered at one time: what another gateway has destroyed is not used for a user who was
        registered again under the name.

        Raises:
            KafkaError: if a new key is not acknowledged.
        """
        if not (known := self._keys.of(username, registered_at)):
            async with self._making:
                if not (known := self._keys.of(username, registered_at)):
                    known = [await self._make(username, registered_at)]
        return known[0], self._keys.seal(known[0], ecg_id, message)

    async def open(self, key_id: str, ecg_id: str, sealed: bytes) -> bytes:
        """Return an ECG's message.

        Raises:
            KeyDestroyed: if nobody can read it any more.
            Broken: if it is not that ECG's message.
            KafkaError: if the broker cannot be asked for the key.
        """
        if not self._keys.knows(key_id):
            await self._keys.catch_up()
        return self._keys.open(key_id, ecg_id, sealed)

    async def open_label(self, key_id: str, ecg_id: str, sealed: bytes) -> str:
        """Return an ECG's label.

        Raises:
            KeyDestroyed: if nobody can read it any more.
            Broken: if it is not that ECG's label.
            KafkaError: if the broker cannot be asked for the key.
        """
        if not self._keys.knows(key_id):
            await self._keys.catch_up()
        return self._keys.open_label(key_id, ecg_id, sealed)

    async def destroy(self, username: str) -> bool:
        """Destroy all keys of a user; tell whether there were any.

        Raises:
            KafkaError: if that is not acknowledged.
        """
        await self._keys.catch_up()
        known = self._keys.all_of(username)
        await asyncio.gather(*(self._publisher.publish(self._topic, None, key_id.encode()) for key_id in known))
        await self._keys.catch_up()
        return bool(known)

    async def _make(self, username: str, registered_at: datetime) -> str:
        key_id, record = self._keys.new(username, registered_at)
        await self._publisher.publish(self._topic, record, key_id.encode())
        await self._keys.catch_up()
        return key_id
