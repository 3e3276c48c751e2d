"""A watch over the background tasks of Kafka clients, and over our own tasks that use the clients.

Without it, a process whose client has lost a task stays alive and reports that it is ready, but does not work.
"""

import asyncio
import threading
from typing import Any, NoReturn, TypeVar
from weakref import WeakSet

from shared.kafka.background_tasks import Client, description, ended_tasks, why_ended

T = TypeVar("T")

_INTERVAL = 1.0


class ClientDied(Exception):  # noqa: N818 - named for what happened
    """A task that should run for as long as the process has ended; the message names task, client and error."""


# Clients are created in other threads too.
_lock = threading.Lock()
_watched: WeakSet[Any] = WeakSet()


def watched(thing: T) -> T:
    """Register a client, or a task that runs for as long as the process, with `watch`, and return it."""
    with _lock:
        _watched.add(thing)
    return thing


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a watched task, and return when it has ended."""
    with _lock:
        _watched.discard(task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def watch() -> NoReturn:
    """Check all registered clients and tasks every `_INTERVAL` seconds.

    Raises:
        ClientDied: once a client has lost a task, or a task has ended. Nothing restarts it: the process should end.
    """
    while True:
        with _lock:
            things = list(_watched)
        if died := list(filter(None, map(_death, things))):
            raise ClientDied("; ".join(died))
        await asyncio.sleep(_INTERVAL)


def _death(thing: Client | asyncio.Task[None]) -> str | None:
    if isinstance(thing, asyncio.Task):
        error = why_ended(thing)
        return f"{thing.get_name()} ({error})" if error else None
    ended = ended_tasks(thing)
    return f"{description(thing)}: {', '.join(ended)}" if ended else None
