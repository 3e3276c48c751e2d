"""The replicated stack of the fault suite: three Kafka nodes, three workers and two gateways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_stack.kafka import Distribution, KafkaCluster
from tests.brokers import KafkaBroker, security
from tests.harness import Pipeline, Process

_RESTART_DELAY = 2.0


@dataclass
class Stack:
    """A pipeline on a cluster, whose processes are restarted when they end, as a container platform would do."""

    cluster: KafkaCluster
    pipeline: Pipeline
    # What scenarios changed on the machine is undone in the end.
    cleanup: ExitStack
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


@asynccontextmanager
async def replicated_stack(
    kafka: Distribution, directory: Path, workers: int = 3, **overrides: str
) -> AsyncIterator[Stack]:
    """Start the stack, ready; stop all of it in the end."""
    cluster = KafkaCluster(kafka, directory / "kafka", nodes=3, security=security(directory / "security"))
    await cluster.start()
    replicated = {"ECG_REPLICATION_FACTOR": "3", "ECG_MIN_INSYNC_REPLICAS": "2", "ECG_SESSION_TIMEOUT": "3"}
    pipeline = Pipeline(KafkaBroker(cluster), directory, "faults", replicated | overrides)
    supervisor: asyncio.Task[None] | None = None
    cleanup = ExitStack()
    try:
        for _ in range(2):
            pipeline.start_gateway()
        for _ in range(workers):
            pipeline.start_worker()
        await pipeline.ready(workers)
        stack = Stack(cluster, pipeline, cleanup)
        supervisor = asyncio.create_task(stack.supervise())
        yield stack
    finally:
        if supervisor:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
        try:
            pipeline.stop()
        finally:
            cleanup.close()
            await cluster.stop()
