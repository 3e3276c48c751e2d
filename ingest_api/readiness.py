"""What a gateway needs to serve."""

import asyncio

from aiokafka.errors import KafkaError
from starlette.datastructures import State

_TIMEOUT = 2.0


async def missing(state: State) -> list[str]:
    """Return what is not there of `broker`, `users` (its view of them caught up) and `worker` (one that answers)."""
    found = []
    try:
        async with asyncio.timeout(_TIMEOUT):
            await state.users.view.catch_up()
            await state.workers.view.catch_up()
    except (KafkaError, TimeoutError):
        found += ["broker", "users"]
    if not await state.workers.any_alive():
        found.append("worker")
    return found
