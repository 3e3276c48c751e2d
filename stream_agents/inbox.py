"""The inbox of the agent: events that arrive while a batch is stored, and form the next one."""

import asyncio
from typing import Any

from faust.types import EventT

from stream_agents.faust_fixes.poll import polled


class Inbox:
    """Holds events until they are taken as a batch. It is full when they have `batch_size` records."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._events: list[EventT[Any]] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, event: EventT[Any]) -> None:
        """Add an event, as soon as there is room."""
        while self._is_full():
            self._taken.clear()
            await self._taken.wait()
        self._events.append(event)
        self._arrived.set()

    async def take(self) -> list[EventT[Any]]:
        """Return all events, as soon as there are any."""
        await self._arrived.wait()
        self._arrived.clear()
        batch, self._events = self._events, []
        self._taken.set()
        return batch

    def _is_full(self) -> bool:
        return sum(len(polled(event)) for event in self._events) >= self._batch_size
