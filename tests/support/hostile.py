"""Answers and dead letters that hostile clients get."""

import asyncio

import httpx

from tests.support.conditions import eventually
from tests.support.messages import reading_dead_letters
from tests.support.pipeline import Pipeline


async def dead_letters(target: Pipeline, count: int, of: set[tuple[str, str]] | None = None) -> list[dict[str, str]]:
    """Wait for a number of dead letters, only from these partitions and offsets if given; return their headers."""
    found: list[dict[str, str]] = []
    async with reading_dead_letters(target) as letters, asyncio.timeout(60):
        while len(found) < count:
            _, headers = await anext(letters)
            # A message that was forwarded became a dead letter at another place than the original one.
            _, *origin = headers.get("forwarded-from", "").rsplit("-", 2)
            source = tuple(origin) or (headers["dlq-source-partition"], headers["dlq-source-offset"])
            if of is None or source in of:
                found.append(headers)
    return found


async def found(client: httpx.AsyncClient, ecg_id: str) -> None:
    async def probe() -> bool | None:
        return True if (await client.get(f"/ecgs/{ecg_id}/insights")).status_code == 200 else None

    await eventually(probe, what=f"insights of {ecg_id}")
