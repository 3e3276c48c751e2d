"""Watches over the background tasks of Kafka clients, and over our own tasks that use them.

aiokafka does its work in background tasks, and does not report the end of one. Without its metadata task a client waits
for ever for the next leader or coordinator. Without its fetch task a consumer reads nothing more, and `getmany` returns
no records and no error. Such a process is alive and says that it is ready, but does not work.

The tasks are private names of aiokafka: pyproject.toml pins its version.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from traceback import extract_tb
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar
from weakref import WeakSet

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import OutOfOrderSequenceNumber, ProducerFenced

from shared.logging_setup import tell

PRODUCER_BROKEN = (OutOfOrderSequenceNumber, ProducerFenced)
"""Errors after which a producer is of no more use.

aiokafka counts a record that it gave up in an outage as sent; brokers then take no later one of its partition, and it
sends nothing more at all.
"""


Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient | AIOKafkaClient
T = TypeVar("T")

_INTERVAL = 1.0


class ClientDied(Exception):  # noqa: N818 - named for what happened
    """A task that should run for as long as the process has ended; the message names it, its client and its error."""


# Threads too make clients.
_lock = threading.Lock()
_watched: WeakSet[Any] = WeakSet()


class _Task(NamedTuple):
    """A client's task; `may_end` if its client ends it and starts it again, so that only an error is a fault."""

    name: str
    task: asyncio.Task[Any] | None
    may_end: bool = False


def ended_tasks(client: Client) -> list[str]:
    """Return the background tasks of a client that have ended although it is not closed, each with its error.

    An error of a consumer's group waits until the consumer is polled, and the group's coordination with it: a user that
    polls in another way, as Faust does, is never told. It counts as the end of the coordination.
    """
    # Consumers and producers say so before they stop their tasks.
    if getattr(client, "_closed", False):
        return []
    ended = [f"{name} ({error})" for name, task, may_end in _tasks(client) if (error := _end(task, may_end))]
    pending = getattr(getattr(client, "_coordinator", None), "_pending_exception", None)
    return ended + ([f"coordination ({_text(pending)})"] if pending is not None else [])


def _tasks(client: Client) -> Iterator[_Task]:
    if isinstance(client, AIOKafkaClient):
        # Its `close` cancels the task, and leaves no other trace until that is done.
        yield _Task("metadata", client._sync_task, may_end=True)
    elif isinstance(client, AIOKafkaProducer):
        yield _Task("metadata", client.client._sync_task)
        yield _Task("sender", client._sender._sender_task)
    elif isinstance(client, AIOKafkaAdminClient):
        yield from _tasks(client._client)
    else:
        yield _Task("metadata", client._client._sync_task)
        # Both are made when it starts.
        if client._fetcher is not None:
            yield _Task("fetch", client._fetcher._fetch_task)
        if isinstance(coordinator := client._coordinator, GroupCoordinator):
            yield _Task("coordination", coordinator._coordination_task)
            yield _Task("heartbeat", coordinator._heartbeat_task, may_end=True)
            yield _Task("commit refresh", coordinator._commit_refresh_task, may_end=True)
        elif coordinator is not None:
            yield _Task("committed offsets", coordinator._reset_committed_task)


def _end(task: asyncio.Task[Any] | None, may_end: bool) -> str | None:
    """Return why a task ended, or None if it did not, or may have."""
    if task is None or not task.done():
        return None
    if task.cancelled():
        return None if may_end else "cancelled"
    if (error := task.exception()) is None:
        return None if may_end else "without an error"
    # Every send raises one of these: the producer's user is told, and replaces it.
    return None if isinstance(error, PRODUCER_BROKEN) else _text(error)


def _text(error: BaseException) -> str:
    """Tell the cause of an error, or the error itself if it has none, and the function that raised it."""
    cause = error.__cause__ or error
    frames = extract_tb(cause.__traceback__)
    return f"{tell(cause)} in {frames[-1].name}" if frames else tell(cause)


def watched(thing: T) -> T:
    """Have `watch` look after a client, or after a task that runs for as long as the process; return it."""
    with _lock:
        _watched.add(thing)
    return thing


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task that is watched, and return when it has ended."""
    with _lock:
        _watched.discard(task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def watch() -> NoReturn:
    """Look after all that is watched.

    Raises:
        ClientDied: once a client has lost a task, or a task has ended. Nothing brings it back: the process should end.
    """
    while True:
        with _lock:
            things = list(_watched)
        if died := list(filter(None, map(_death, things))):
            raise ClientDied("; ".join(died))
        await asyncio.sleep(_INTERVAL)


def _death(thing: Client | asyncio.Task[None]) -> str | None:
    if isinstance(thing, asyncio.Task):
        error = _end(thing, may_end=False)
        return f"{thing.get_name()} ({error})" if error else None
    ended = ended_tasks(thing)
    return f"{_name(thing)}: {', '.join(ended)}" if ended else None


def _name(client: Client) -> str:
    inner = client.client if isinstance(client, AIOKafkaProducer) else getattr(client, "_client", client)
    return f"{type(client).__name__} of {', '.join(sorted(inner._topics)) or 'no topic'}"


class Heartbeats:
    """When the coordinator of a consumer's group last confirmed that a started consumer is a member.

    aiokafka keeps the time in a variable of its heartbeat task. A join that was completed counts as a heartbeat.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._last: float | None = None
        coordinator: GroupCoordinator = consumer._coordinator
        coordinator._do_heartbeat = self._noting(coordinator._do_heartbeat)
        coordinator._do_rejoin_group = self._noting(coordinator._do_rejoin_group)

    @property
    def last(self) -> float | None:
        """The time of the last confirmation, on the monotonic clock (seconds), or None before the first."""
        return self._last

    def _noting(self, request: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
        async def noted(*args: Any) -> bool:
            confirmed = await request(*args)
            if confirmed:
                self._last = time.monotonic()
            return confirmed

        return noted
