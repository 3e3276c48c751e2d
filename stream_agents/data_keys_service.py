"""The worker's view of the data keys, for as long as the worker runs."""

from mode import Service
from typing_extensions import override

from shared.data_keys import DataKeys


class DataKeysService(Service):
    """Stops following the data keys when the worker stops; the first sealed record starts it."""

    def __init__(self, keys: DataKeys) -> None:
        super().__init__()
        self._keys = keys

    @override
    async def on_stop(self) -> None:
        """Stop following the keys."""
        await self._keys.stop()
