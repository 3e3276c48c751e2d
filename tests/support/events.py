"""A stream of events as a client reads it."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.conditions import eventually


@dataclass
class Stream:
    """A stream that is being read, with the events and comments so far."""

    response: httpx.Response
    reading: asyncio.Task[None] | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    comments: int = 0
    last_id: str = ""

    def start(self) -> asyncio.Task[None]:
        """Start a task that reads until the stream ends."""
        self.reading = self.reading or asyncio.create_task(self._read())
        return self.reading

    async def _read(self) -> None:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if not line:
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    self.events.append((fields["event"], json.loads(fields["data"])))
                fields = {}
            elif line.startswith(":"):
                self.comments += 1
            else:
                name, _, value = line.partition(": ")
                fields[name] = value

    async def read_until(self, ids: Collection[str], timeout: float = 60) -> None:
        """Read until the events of all these ECGs have come."""

        async def all_there() -> bool | None:
            return True if set(ids) <= set(self.ids) else None

        self.start()
        await eventually(all_there, timeout, what=f"events of {len(ids)} ECGs")

    @property
    def ids(self) -> list[str]:
        return [data["id"] if name == "recording" else data["ecg_id"] for name, data in self.events]


@asynccontextmanager
async def stream(client: httpx.AsyncClient, last_id: str = "") -> AsyncIterator[Stream]:
    async with client.stream("GET", "/events", headers={"last-event-id": last_id}, timeout=60) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Stream(response)
        yield events
        if events.reading:
            events.reading.cancel()
            await asyncio.gather(events.reading, return_exceptions=True)
