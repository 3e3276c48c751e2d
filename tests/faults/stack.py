"""The replicated stack of the fault suite: three Kafka nodes, three workers, two gateways, and who watches them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from local_stack.kafka import Distribution, KafkaCluster
from shared.topics import Topics
from tests.brokers import KafkaBroker
from tests.faults.ledger import Ledger
from tests.harness import Pipeline, Process, eventually

_RESTART_DELAY = 2.0
_PROBES = 24


@dataclass
class Stack:
    """A pipeline on a cluster, whose processes are restarted when they end, as a container platform would do."""

    cluster: KafkaCluster
    pipeline: Pipeline
    ledger: Ledger
    restarts: int = 0
    # Processes that are down on purpose.
    held_down: set[str] = field(default_factory=set)

    async def supervise(self) -> None:
        """Restart what ends."""
        while True:
            for process in [*self.pipeline.gateways, *self.pipeline.workers]:
                if process.running.poll() is not None and process.name not in self.held_down:
                    self.restarts += 1
                    await asyncio.sleep(_RESTART_DELAY)
                    process.start()
            await asyncio.sleep(0.1)

    def hold_down(self, process: Process) -> None:
        """Do not restart a process until it is released."""
        self.held_down.add(process.name)

    def release(self, process: Process) -> None:
        """Start a process that was held down."""
        process.start()
        self.held_down.discard(process.name)

    async def probe_queries(self, gaps: list[float]) -> None:
        """Ask for finished ECGs again and again; note for how long each was not answered, once it is again."""
        async with httpx.AsyncClient(headers={"x-user-token": self.ledger.token}, timeout=10) as client:
            await asyncio.gather(
                *(self._probe(client, ecg_id, gaps) for ecg_id in list(self.ledger.accepted)[:_PROBES])
            )

    async def _probe(self, client: httpx.AsyncClient, ecg_id: str, gaps: list[float]) -> None:
        last = time.monotonic()
        while True:
            for gateway in self.pipeline.gateways:
                asked = time.monotonic()
                with contextlib.suppress(httpx.TransportError):
                    response = await client.get(f"{gateway.url}/ecgs/{ecg_id}/insights")
                    assert response.status_code in (200, 503), f"{response.status_code}: a finished ECG was denied"
                    if response.status_code == 200:
                        if asked - last > 0.5:
                            gaps.append(time.monotonic() - last)
                        last = time.monotonic()
                        break
            await asyncio.sleep(0.1)

    async def lag(self) -> int:
        """Return how many submissions are not committed."""
        topic = Topics(self.pipeline.settings).submissions
        partitions = [TopicPartition(topic.name, i) for i in range(topic.partitions)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.cluster.bootstrap_servers)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.cluster.bootstrap_servers)
        await consumer.start()
        await admin.start()
        try:
            ends = await consumer.end_offsets(partitions)
            group = f"{self.pipeline.prefix}-stream-agents"
            committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
            return sum(end - max(committed[tp].offset, 0) for tp, end in ends.items())
        finally:
            await admin.close()
            await consumer.stop()

    async def caught_up(self, timeout: float = 120.0) -> None:
        """Return when every submission is committed."""

        async def probe() -> bool | None:
            return True if await self.lag() == 0 else None

        await eventually(probe, timeout, 0.25, "a lag of zero")


@asynccontextmanager
async def replicated_stack(
    kafka: Distribution, directory: Path, workers: int = 3, **overrides: str
) -> AsyncIterator[Stack]:
    """Start the stack, ready; stop all of it in the end."""
    cluster = KafkaCluster(kafka, directory / "kafka", nodes=3)
    await cluster.start()
    replicated = {"ECG_REPLICATION_FACTOR": "3", "ECG_MIN_INSYNC_REPLICAS": "2", "ECG_SESSION_TIMEOUT": "3"}
    pipeline = Pipeline(KafkaBroker(cluster), directory, "faults", replicated | overrides)
    supervisor: asyncio.Task[None] | None = None
    try:
        for _ in range(2):
            pipeline.start_gateway()
        for _ in range(workers):
            pipeline.start_worker()
        await pipeline.ready(workers)
        stack = Stack(cluster, pipeline, Ledger(pipeline, await pipeline.register("ledger"), "ledger"))
        supervisor = asyncio.create_task(stack.supervise())
        yield stack
    finally:
        if supervisor:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
        try:
            pipeline.stop()
        finally:
            await cluster.stop()
