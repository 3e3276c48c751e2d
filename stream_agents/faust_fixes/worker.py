"""A worker that ends as soon as it has stopped.

Without this, mode sleeps for a second after everything has stopped, so that cancelled tasks can end.
"""

import asyncio

import faust
from typing_extensions import override

_LONGEST = 1.0


class Worker(faust.Worker):
    """Faust's worker, without a fixed sleep at its end."""

    @override
    async def _sentinel_task(self) -> None:
        """Wait until the tasks that were cancelled have ended, for a second at most."""
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=_LONGEST)
