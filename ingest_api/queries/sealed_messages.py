"""Opens messages that gateways sealed."""

import asyncio

from aiokafka.errors import KafkaError

from ingest_api.http.errors import Unavailable
from ingest_api.queries.submission_reader import UNREADABLE, Message
from ingest_api.users.user_keys import UserKeys
from shared.data_keys import KeyDestroyed
from shared.settings import Settings


class SealedMessages:
    """Opens messages with the data keys of their users."""

    def __init__(self, settings: Settings, keys: UserKeys) -> None:
        self._timeout = settings.query_timeout
        self._keys = keys

    async def open(self, ecg_id: str, message: Message) -> bytes | None:
        """Open a message of an ECG or a recording; return None if its data key is destroyed.

        Raises:
            Broken: if it is not the message of this ECG or recording.
            Unavailable: if the broker cannot be asked for the key.
        """
        if message.data_key is None:
            return message.value
        try:
            async with asyncio.timeout(self._timeout):
                return await self._keys.open(message.data_key, ecg_id, message.value)
        except KeyDestroyed:
            return None
        except (KafkaError, TimeoutError):
            raise Unavailable(UNREADABLE, missing="broker") from None
