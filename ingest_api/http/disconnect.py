"""Held requests: they wait for a result until the client disconnects or the gateway stops."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from ingest_api.http.services import GatewayServices, services_of

T = TypeVar("T")


async def hold(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of the work, or None if the client disconnects or the gateway stops first.

    The work is cancelled then. The request's body must be empty or have been read.
    """
    stopping = services_of(request, GatewayServices).stopping
    working = asyncio.create_task(work)
    tasks = [working, asyncio.create_task(_gone(request)), asyncio.create_task(stopping.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
