"""ECGs that tests submit, and their insights."""

import asyncio
import itertools
from typing import Any

import httpx

from tests.support.conditions import eventually
from tests.support.pipeline import NewPipeline, Pipeline

LEADS = [{"name": "I", "signal": [1, -1, 1]}]
EXPECTED = [{"name": "I", "number_of_zero_crossings": 2}]


async def submit(client: httpx.AsyncClient, count: int) -> list[str]:
    """Submit ECGs, 16 at a time, and return the ids of the accepted ones."""
    limit = asyncio.Semaphore(16)

    async def one() -> str | None:
        async with limit:
            response = await client.post("/ecgs", json={"leads": LEADS})
        assert response.status_code in (201, 503), response.text
        return str(response.json()["id"]) if response.status_code == 201 else None

    ids = await asyncio.gather(*(one() for _ in range(count)))
    return [ecg_id for ecg_id in ids if ecg_id is not None]


async def insights(client: httpx.AsyncClient, ecg_id: str) -> list[dict[str, Any]]:
    """Wait until an accepted ECG is processed, and return its leads' insights; any answer but 202 and 200 fails."""

    async def probe() -> list[dict[str, Any]] | None:
        response = await client.get(f"/ecgs/{ecg_id}/insights", headers={"prefer": "wait=10"})
        assert response.status_code in (200, 202), f"{response.status_code}: {response.text}"
        return list(response.json()["leads"]) if response.status_code == 200 else None

    return await eventually(probe, interval=0.02, what=f"insights of {ecg_id}")


async def insights_through_failover(client: httpx.AsyncClient, ecg_id: str) -> list[dict[str, object]]:
    """Wait for insights; while a partition moves, the gateway may answer 503, but never 404."""

    async def probe() -> list[dict[str, object]] | None:
        response = await client.get(f"/ecgs/{ecg_id}/insights")
        assert response.status_code in (200, 202, 503), response.text
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
        return list(response.json()["leads"]) if response.status_code == 200 else None

    return await eventually(probe, what=f"insights of {ecg_id}")


async def backlog(new_pipeline: NewPipeline, count: int) -> tuple[Pipeline, str, list[str]]:
    """Return a pipeline with a gateway but no worker, a user's token, and the ids of ECGs that wait for a worker."""
    pipeline = new_pipeline()
    pipeline.start_gateway()
    await pipeline.alive()
    token = await pipeline.register("clinic")
    async with pipeline.client(token=token) as client:
        accepted = await submit(client, count)
    assert len(accepted) == count
    return pipeline, token, accepted


async def all_have_insights(pipeline: Pipeline, token: str, accepted: list[str]) -> None:
    async with pipeline.client(token=token) as client:
        for ecg_id in accepted:
            assert await insights_through_failover(client, ecg_id) == EXPECTED


async def through_failover(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Repeat a request until the answer is not 503, and return it; each 503 must have a Retry-After."""

    async def probe() -> httpx.Response | None:
        response = await client.get(path)
        if response.status_code != 503:
            return response
        assert int(response.headers["retry-after"]) >= 1
        return None

    return await eventually(probe, what=f"an answer to {path}")


EXAMPLES = [
    ([1, 0, -1, 0, 1, 0, 0, 1], 3),
    ([1, 0, -1], 1),
    ([1, -2, 0, 3, -4, 0, 0, 5, 6, -7], 5),
    ([], 0),
    ([5], 0),
    ([9223372036854775807, -9223372036854775808], 1),
]


def crossings(signal: list[int]) -> int:
    """Count zero crossings sample by sample, according to their definition."""
    count = 0
    for before, now in itertools.pairwise(signal):
        count += (now == 0 and before != 0) or (now > 0 > before) or (now < 0 < before)
    return count
