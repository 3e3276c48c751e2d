"""The checks behind `/health/ready`."""

import asyncio

from aiokafka.errors import KafkaError

from ingest_api.queries.worker_client import WorkerClient
from ingest_api.users.registry import UserRegistry

_TIMEOUT = 2.0


async def missing(users: UserRegistry, workers: WorkerClient) -> list[str]:
    """Return the missing ones of `broker`, `users` (an up-to-date view of them) and `worker` (one that answers)."""
    found = []
    try:
        async with asyncio.timeout(_TIMEOUT):
            await users.view.catch_up()
            await workers.view.catch_up()
    except (KafkaError, TimeoutError):
        found += ["broker", "users"]
    if not await workers.any_alive():
        found.append("worker")
    return found
