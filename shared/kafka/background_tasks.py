"""The background tasks of aiokafka's clients, and why they ended.

aiokafka does its work in background tasks, and does not report when one of them ends. A client without its metadata
task waits for ever for the next leader or coordinator. A consumer without its fetch task reads nothing more: `getmany`
returns no records and no error.

The attributes that hold the tasks are private to aiokafka, so pyproject.toml pins its version.
"""

import asyncio
from collections.abc import Iterator
from traceback import extract_tb
from typing import Any, NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator

from shared.kafka.producer_errors import PRODUCER_BROKEN
from shared.logging_setup import tell

Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient | AIOKafkaClient


class _Task(NamedTuple):
    """A client's task; `may_end` if the client itself ends and restarts it, so that only an error is a fault."""

    name: str
    task: asyncio.Task[Any] | None
    may_end: bool = False


def ended_tasks(client: Client) -> list[str]:
    """Return the background tasks that have ended although their client is not closed, each with its error.

    A consumer keeps an error of its group until the next poll, and coordinates nothing until then. Faust does not use
    that poll and never sees the error, so a pending error counts as the end of the coordination.
    """
    # Consumers and producers set this flag before they stop their tasks.
    if getattr(client, "_closed", False):
        return []
    ended = [f"{name} ({error})" for name, task, may_end in _tasks(client) if (error := why_ended(task, may_end))]
    pending = getattr(getattr(client, "_coordinator", None), "_pending_exception", None)
    return ended + ([f"coordination ({_text(pending)})"] if pending is not None else [])


def why_ended(task: asyncio.Task[Any] | None, may_end: bool = False) -> str | None:
    """Return why a task ended, or None if it still runs or was allowed to end."""
    if task is None or not task.done():
        return None
    if task.cancelled():
        return None if may_end else "cancelled"
    if (error := task.exception()) is None:
        return None if may_end else "without an error"
    # Every send raises this error too: its caller replaces the producer.
    return None if isinstance(error, PRODUCER_BROKEN) else _text(error)


def description(client: Client) -> str:
    """Return the kind of a client and the topics that it knows."""
    inner = client.client if isinstance(client, AIOKafkaProducer) else getattr(client, "_client", client)
    return f"{type(client).__name__} of {', '.join(sorted(inner._topics)) or 'no topic'}"


def _tasks(client: Client) -> Iterator[_Task]:
    if isinstance(client, AIOKafkaClient):
        # While `close` waits for the cancelled task, nothing else shows that the client is closing.
        yield _Task("metadata", client._sync_task, may_end=True)
    elif isinstance(client, AIOKafkaProducer):
        yield _Task("metadata", client.client._sync_task)
        yield _Task("sender", client._sender._sender_task)
    elif isinstance(client, AIOKafkaAdminClient):
        yield from _tasks(client._client)
    else:
        yield _Task("metadata", client._client._sync_task)
        # Starting the consumer creates both.
        if client._fetcher is not None:
            yield _Task("fetch", client._fetcher._fetch_task)
        if isinstance(coordinator := client._coordinator, GroupCoordinator):
            yield _Task("coordination", coordinator._coordination_task)
            yield _Task("heartbeat", coordinator._heartbeat_task, may_end=True)
            yield _Task("commit refresh", coordinator._commit_refresh_task, may_end=True)
        elif coordinator is not None:
            yield _Task("committed offsets", coordinator._reset_committed_task)


def _text(error: BaseException) -> str:
    """Return the text of an error's cause, or of the error if it has none, with the function that raised it."""
    cause = error.__cause__ or error
    frames = extract_tb(cause.__traceback__)
    return f"{tell(cause)} in {frames[-1].name}" if frames else tell(cause)
