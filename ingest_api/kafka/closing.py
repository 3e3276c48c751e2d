"""Closing Kafka clients in the background, because that may take as long as a broker holds a request."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Closing:
    """Kafka clients that are being closed while no request waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, stop: Coroutine[Any, Any, None]) -> None:
        """Begin to stop a client; its errors are ignored."""
        task = asyncio.create_task(stop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Return when all of them have stopped."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
