"""A worker that ends as soon as it has stopped, and whose signals can be ignored from one moment to the next.

Without this, mode sleeps for a second after everything has stopped, so that cancelled tasks can end. It handles signals
with asyncio, whose handlers have to be removed before a signal is ignored. For a moment after that, a second SIGINT
raises KeyboardInterrupt anywhere in the worker, and a second SIGTERM kills it. Not reported upstream.
"""

import asyncio
import signal

import faust
from typing_extensions import override

_LONGEST = 1.0


class Worker(faust.Worker):
    """Faust's worker, without a fixed sleep at its end."""

    @override
    def install_signal_handlers(self) -> None:
        """Stop at SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, _: object) -> None:
        self.loop.call_soon_threadsafe(self._schedule_shutdown, signal.Signals(number))

    @override
    async def _sentinel_task(self) -> None:
        """Wait until the tasks that were cancelled have ended, for a second at most."""
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=_LONGEST)
