"""Kafka clients with background tasks that have ended: they are detected, and a gateway with one ends."""

import asyncio
import contextlib
import re
import signal
import time
import uuid
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, KafkaError, OutOfOrderSequenceNumber

from ingest_api.__main__ import _START_FAILED
from ingest_api.http.server import CLIENT_DIED
from shared.kafka import topics
from shared.kafka.background_tasks import ended_tasks
from shared.kafka.clients import new_producer, new_reader
from shared.kafka.compacted_view import TopicView
from shared.kafka.topics import Topics
from stream_agents.faust_fixes.membership import Heartbeats
from tests.support.conditions import DEADLINE, eventually
from tests.support.pipeline import ADMIN_TOKEN, Pipeline

_SESSION_MS, _HEARTBEAT_MS = 3000, 500
_METADATA = "metadata", "_client._sync_task"
_FETCH = "fetch", "_fetcher._fetch_task"
TASKS = [
    (new_reader, *_METADATA),
    (new_reader, *_FETCH),
    (new_reader, "committed offsets", "_coordinator._reset_committed_task"),
    (new_producer, "metadata", "client._sync_task"),
    (new_producer, "sender", "_sender._sender_task"),
]


@pytest_asyncio.fixture(scope="module")
async def pipeline(new_module_pipeline: Callable[[], Pipeline]) -> Pipeline:
    """A pipeline with topics but without processes."""
    pipeline = new_module_pipeline()
    await topics.create(pipeline.settings)
    return pipeline


def _member(pipeline: Pipeline) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        f"{pipeline.prefix}.submissions",
        **pipeline.kafka,
        group_id=f"group-{uuid.uuid4()}",
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_HEARTBEAT_MS,
        enable_auto_commit=False,
    )


async def _fails(error: Exception) -> None:
    raise error


async def _replaced(holder: Any, name: str, end: asyncio.Task[None]) -> None:
    """Replace a client's task by one that has ended."""
    getattr(holder, name).cancel()
    await asyncio.wait([getattr(holder, name), end])
    setattr(holder, name, end)


@pytest.mark.parametrize(("new", "name", "path"), TASKS)
async def test_a_task_that_ended_is_named_with_its_error(
    new: Callable[..., Any], name: str, path: str, pipeline: Pipeline
) -> None:
    client = new(pipeline.settings)
    await client.start()
    assert ended_tasks(client) == []
    holder, _, attribute = path.rpartition(".")
    await _replaced(attrgetter(holder)(client), attribute, asyncio.create_task(_fails(RuntimeError("of the loop"))))
    assert ended_tasks(client) == [f"{name} (RuntimeError in _fails)"]
    await _replaced(attrgetter(holder)(client), attribute, asyncio.create_task(asyncio.sleep(0)))
    assert ended_tasks(client) == [f"{name} (without an error)"]
    cancelled = asyncio.create_task(asyncio.sleep(60))
    cancelled.cancel()
    await _replaced(attrgetter(holder)(client), attribute, cancelled)
    assert ended_tasks(client) == [f"{name} (cancelled)"]
    client._closed = True
    assert ended_tasks(client) == []
    await (client.client if isinstance(client, AIOKafkaProducer) else client._client).close()


async def test_a_stopped_client_has_no_ended_tasks(pipeline: Pipeline) -> None:
    for client in (new_reader(pipeline.settings), new_producer(pipeline.settings), _member(pipeline)):
        await client.start()
        # Let the tasks begin: aiokafka's `stop` fails on one that has not.
        await asyncio.sleep(0)
        await client.stop()
        assert ended_tasks(client) == []


async def test_a_producer_that_raises_at_every_send_does_not_count_as_dead(pipeline: Pipeline) -> None:
    async with AIOKafkaProducer(**pipeline.kafka) as producer:
        await _replaced(producer._sender, "_sender_task", asyncio.create_task(_fails(OutOfOrderSequenceNumber())))
        assert ended_tasks(producer) == []


async def test_an_ended_membership_of_a_group_is_reported(pipeline: Pipeline) -> None:
    member = _member(pipeline)
    async with member:
        assert ended_tasks(member) == []
        coordinator = member._coordinator
        # The error of a worker that has lost its permission.
        coordinator._do_heartbeat = lambda: _fails(GroupAuthorizationFailedError(member._group_id))
        heartbeat, coordination = await eventually(lambda: _told(member))
        assert heartbeat.startswith("heartbeat (")
        assert coordination.startswith("coordination (")
        assert str(member._group_id) in coordination


async def test_heartbeats_are_confirmed_from_the_join_on(pipeline: Pipeline) -> None:
    begun = time.monotonic()
    async with _member(pipeline) as member:
        heartbeats = Heartbeats(member)

        async def later_than(moment: float) -> float | None:
            return heartbeats.last if heartbeats.last is not None and heartbeats.last > moment else None

        first = await eventually(lambda: later_than(begun))
        assert first < await eventually(lambda: later_than(first))
        answered, refused = member._coordinator._send_req, 0

        async def refuse(_: object) -> None:
            nonlocal refused
            refused += 1
            raise KafkaConnectionError

        async def again() -> bool | None:
            return refused > 1 or None

        member._coordinator._send_req = refuse
        await eventually(again)
        assert heartbeats.last is not None
        assert heartbeats.last < time.monotonic() - _HEARTBEAT_MS / 1000
        member._coordinator._send_req = answered


_FAULTY = """
import signal
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer.message_accumulator import MessageAccumulator
from ingest_api.__main__ import main
from shared.kafka.compacted_view import TopicView

def fail(*_):
    raise RuntimeError("of the loop")

{when}
main()
"""
_AT_A_SIGNAL = "signal.signal(signal.SIGUSR1, lambda *_: setattr({}, {!r}, fail))"


@pytest.mark.parametrize(
    ("owner", "method", "reason"),
    [
        pytest.param(
            "Fetcher",
            "_get_actions_per_node",
            r"TopicReader of {}\.(users|workers): fetch \(RuntimeError in fail\)",
            marks=pytest.mark.slow,
        ),
        # The metadata are renewed every ten seconds.
        pytest.param(
            "AIOKafkaClient", "_metadata_update", r"metadata \(RuntimeError in fail\)", marks=pytest.mark.slow
        ),
        ("TopicView", "_apply_safely", r"reads {}\.users \(RuntimeError in fail\)"),
    ],
)
async def test_a_gateway_without_a_working_client_ends_and_says_why(
    owner: str, method: str, reason: str, new_pipeline: Callable[[], Pipeline]
) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway(_FAULTY.format(when=_AT_A_SIGNAL.format(owner, method)))
    await pipeline.alive()
    await pipeline.register("before")
    gateway.signal(signal.SIGUSR1)
    async with pipeline.client() as client:
        # A record for the gateway to read. If the task has already ended, the gateway does not answer.
        with contextlib.suppress(httpx.HTTPError):
            await client.post("/users", json={"username": "after"}, headers={"x-admin-token": ADMIN_TOKEN}, timeout=5)
    assert await asyncio.to_thread(gateway.running.wait, DEADLINE) == CLIENT_DIED
    assert "a Kafka client died" in gateway.log.read_text()
    assert re.search(reason.format(pipeline.prefix), gateway.log.read_text())


async def test_a_gateway_that_loses_a_client_as_it_starts_ends_too(new_pipeline: Callable[[], Pipeline]) -> None:
    pipeline = new_pipeline()
    gateway = pipeline.start_gateway(_FAULTY.format(when="Fetcher._get_actions_per_node = fail"))
    assert await asyncio.to_thread(gateway.running.wait, DEADLINE) == _START_FAILED
    assert f"TopicReader of {pipeline.prefix}.users: fetch (RuntimeError in fail)" in gateway.log.read_text()


async def test_a_view_that_is_no_longer_read_raises_an_error(pipeline: Pipeline) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    view = TopicView(pipeline.settings, Topics(pipeline.settings).users, fail)
    await view.start()
    try:
        async with new_producer(pipeline.settings) as producer:
            await producer.send_and_wait(f"{pipeline.prefix}.users", b"{}", b"user")
        with pytest.raises(KafkaError, match="not read any more"):
            await asyncio.wait_for(view.catch_up(), DEADLINE)
    finally:
        await view.stop()


async def _told(member: AIOKafkaConsumer) -> list[str] | None:
    # The heartbeat ends a moment before the coordination has its error.
    ended = ended_tasks(member)
    return ended if len(ended) > 1 else None
