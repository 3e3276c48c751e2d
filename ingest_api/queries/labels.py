"""Labels of ECGs, opened if they are sealed."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from ingest_api.http.errors import Unavailable
from ingest_api.users.user_keys import UserKeys
from shared.data_keys import KeyDestroyed
from shared.messages.insights import Insights
from shared.security.sealing import Broken
from shared.settings import Settings


class Labels:
    """Reads the labels of rows of the insights table."""

    def __init__(self, settings: Settings, keys: UserKeys) -> None:
        self._timeout = settings.query_timeout
        self._keys = keys

    async def of(self, rows: Sequence[Insights]) -> list[str | None]:
        """Return the label of each row, or None if it has none or its key was destroyed.

        Raises:
            Unavailable: if the broker cannot be asked for a key.
        """
        return [await self._of(row) for row in rows]

    async def _of(self, row: Insights) -> str | None:
        if not row.label_key:
            return row.label
        try:
            async with asyncio.timeout(self._timeout):
                return await self._keys.open_label(row.label_key, row.ecg_id, row.sealed_label)
        except (KeyDestroyed, Broken):
            return None
        except (KafkaError, TimeoutError):
            raise Unavailable("The list cannot be read now, try again", missing="broker") from None
