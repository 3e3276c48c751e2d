"""Work that no request waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Carries on by itself with what was begun: closing a connection may take as long as a broker holds a question."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin some work; an error of it concerns nobody."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Return when all of it is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
