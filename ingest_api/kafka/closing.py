"""Closing Kafka clients in the background: it may take as long as a broker holds a question."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Closing:
    """The clients that are being closed, and that no request waits for."""

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
