"""The data keys of users: made with a user's first submission, destroyed with the user."""

import asyncio
from datetime import datetime

from ingest_api.kafka.publisher import Publisher
from shared.data_keys import DataKeys
from shared.kafka.topics import Topics
from shared.settings import Settings


class UserKeys:
    """Seals submissions, if `encrypt_submissions` is on, and opens sealed ones."""

    def __init__(self, settings: Settings, topics: Topics, publisher: Publisher) -> None:
        self.sealing = settings.encrypt_submissions
        self._keys = DataKeys(settings, topics)
        self._topic = topics.keys.name
        self._publisher = publisher
        self._making = asyncio.Lock()

    async def start(self) -> None:
        """Read the keys, if submissions are to be sealed.

        Raises:
            KafkaError: if the broker cannot be reached.
        """
        if self.sealing:
            await self._keys.catch_up()

    async def stop(self) -> None:
        """Stop following the topic of keys."""
        await self._keys.stop()

    async def seal(self, username: str, registered_at: datetime, ecg_id: str, message: bytes) -> tuple[str, bytes]:
        """Return the id of a user's key, which is made if there is none, and an ECG's message sealed with it.

        A key belongs to one registration of a user. If a user is deleted and the name is registered again, an old key
        that this gateway still knows is therefore not used.

        Raises:
            KafkaError: if a new key is not acknowledged.
        """
        if not (known := self._keys.of(username, registered_at)):
            async with self._making:
                if not (known := self._keys.of(username, registered_at)):
                    known = [await self._make(username, registered_at)]
        return known[0], self._keys.seal(known[0], ecg_id, message)

    async def open(self, key_id: str, ecg_id: str, sealed: bytes) -> bytes:
        """Return an ECG's message, opened.

        Raises:
            KeyDestroyed: if its key was destroyed, so that nobody can read it.
            Broken: if it is not that ECG's message.
            KafkaError: if the broker cannot be asked for the key.
        """
        if not self._keys.knows(key_id):
            await self._keys.catch_up()
        return self._keys.open(key_id, ecg_id, sealed)

    async def open_label(self, key_id: str, ecg_id: str, sealed: bytes) -> str:
        """Return an ECG's label.

        Raises:
            KeyDestroyed: if the key was destroyed.
            Broken: if the sealed bytes are not that ECG's label.
            KafkaError: if the broker cannot be asked for the key.
        """
        if not self._keys.knows(key_id):
            await self._keys.catch_up()
        return self._keys.open_label(key_id, ecg_id, sealed)

    async def destroy(self, username: str) -> bool:
        """Destroy all keys of a user; return True if there were any.

        Raises:
            KafkaError: if the broker does not acknowledge it.
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
