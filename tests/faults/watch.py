"""Observation of a stack during a fault: the answers to queries, and the consumer lag."""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.kafka.topics import Topics
from tests.support.conditions import eventually
from tests.support.pipeline import Pipeline

_PAUSE = 0.2
# Seconds for which a fresh ECG is queried; the ledger reports one that is stuck for longer.
_PATIENCE = 90.0
_REQUEST_TIMEOUT_MS = 3_000
_UNKNOWN = sys.maxsize


@dataclass
class QueryWatch:
    """Queries ECGs and recordings again and again, through each gateway in turn, and counts the failures.

    A query to a gateway that cannot be reached goes to the other one, as a load balancer would do. It fails if no
    gateway can be reached, with a 503, and with an unexpected answer.
    """

    pipeline: Pipeline
    token: str
    queries: int = 0
    failed: int = 0
    # Answers other than 200, 503, and 202 for a fresh ECG, by status: above all 404.
    unexpected: Counter[int] = field(default_factory=Counter)
    unanswered_seconds: float = 0.0
    # Recordings whose `complete_until` was smaller in an answer than in an earlier one.
    went_back: list[str] = field(default_factory=list)
    _followed: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    @asynccontextmanager
    async def watching(self, finished: Sequence[str], recordings: Sequence[str]) -> AsyncIterator[None]:
        """Query ECGs and recordings throughout the block, and each ECG given to `fresh` until it is finished.

        Args:
            finished: ids of ECGs that have insights.
            recordings: ids of recordings that have begun.
        """
        async with (
            httpx.AsyncClient(headers={"x-user-token": self.token}, timeout=10) as self._client,
            self._followed,
        ):
            paths = [*(f"/ecgs/{ecg_id}" for ecg_id in finished), *(f"/recordings/{each}" for each in recordings)]
            tasks = [self._followed.create_task(self._follow(path, fresh=False)) for path in paths]
            yield
            for task in tasks:
                task.cancel()

    def fresh(self, ecg_id: str) -> None:
        """Query an ECG that was just accepted, until it is finished."""
        self._followed.create_task(self._follow(f"/ecgs/{ecg_id}", fresh=True))

    async def _follow(self, path: str, *, fresh: bool) -> None:
        begun = answered = time.monotonic()
        failing, reached = False, 0
        while not fresh or time.monotonic() < begun + _PATIENCE:
            status, complete_until = await self._ask(path)
            self.queries += 1
            if status in ((200, 202) if fresh else (200,)):
                if failing:
                    self.unanswered_seconds = max(self.unanswered_seconds, time.monotonic() - answered)
                failing, answered = False, time.monotonic()
                if complete_until < reached:
                    self.went_back.append(f"{path} was complete until {reached}, then until {complete_until}")
                reached = complete_until
                if fresh and status == httpx.codes.OK:
                    return
            else:
                if status not in (None, httpx.codes.SERVICE_UNAVAILABLE):
                    self.unexpected[status] += 1
                failing = True
                self.failed += 1
            await asyncio.sleep(_PAUSE)

    async def _ask(self, path: str) -> tuple[int | None, int]:
        """Return the status, or None without an answer, and the `complete_until` of a recording; 0 for an ECG."""
        for gateway in self.pipeline.gateways_from(self.queries):
            with contextlib.suppress(httpx.TransportError):
                response = await self._client.get(f"{gateway.url}{path}/insights")
                is_there = response.status_code == httpx.codes.OK
                return response.status_code, response.json().get("complete_until", 0) if is_there else 0
        return None, 0


@dataclass
class LagWatch:
    """Samples the number of uncommitted messages; while the brokers do not answer, it counts as very large."""

    pipeline: Pipeline
    samples: list[tuple[float, int]] = field(default_factory=list)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Sample the lag throughout the block."""
        kafka = self.pipeline.kafka
        consumer = AIOKafkaConsumer(**kafka, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        admin = AIOKafkaAdminClient(**kafka, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        await consumer.start()
        await admin.start()
        task = asyncio.create_task(self._sample(consumer, admin))
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await admin.close()
            await consumer.stop()

    async def caught_up(self, timeout: float = 180.0) -> None:
        """Wait until every submission and every chunk is committed."""
        begun = time.monotonic()

        async def probe() -> bool | None:
            at, lag = self.samples[-1] if self.samples else (0.0, 1)
            return True if at > begun and lag == 0 else None

        await eventually(probe, timeout, 0.1, "a lag of zero")

    def behind_until(self, since: float, most: float) -> float:
        """Return the seconds from the time `since` until the lag last exceeded `most`."""
        return max((at - since for at, lag in self.samples if at > since and lag > most), default=0.0)

    async def _sample(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        topics = Topics(self.pipeline.settings)
        partitions = [*topics.submissions.all_partitions(), *topics.chunks.all_partitions()]
        group = f"{self.pipeline.prefix}-stream-agents"
        while True:
            try:
                ends = await consumer.end_offsets(partitions)
                committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
            except (KafkaError, OSError):  # a TimeoutError is an OSError
                lag = _UNKNOWN
            else:
                # A coordinator that has just taken over may leave out partitions.
                known = committed.keys() >= ends.keys()
                lag = sum(end - max(committed[tp].offset, 0) for tp, end in ends.items()) if known else _UNKNOWN
            self.samples.append((time.monotonic(), lag))
            await asyncio.sleep(_PAUSE)
