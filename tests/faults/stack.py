"""The replicated stack of the fault suite: three Kafka nodes, three workers and two gateways."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_stack.kafka import Distribution, KafkaCluster
from tests.faults.copies import Changelog
from tests.support.brokers import KafkaBroker, security
from tests.support.conditions import eventually
from tests.support.pipeline import Pipeline
from tests.support.process import Process

STOP_DEADLINE = 8.0
"""Seconds within which every process must end after SIGTERM or SIGINT, in any state: container platforms kill it after
ten."""

_RESTART_DELAY = 2.0
_READY_TIMEOUT = 120.0
# Seconds after which a process that does not stop is killed, so that the suite goes on.
_PATIENCE = 30.0
_ERROR_LINES, _SHOWN = 6, 500


@dataclass(frozen=True)
class Stop:
    """A stop of a process by a signal: the state it was in, and the seconds until its end."""

    state: str
    process: str
    signal: str
    seconds: float

    @property
    def in_time(self) -> bool:
        """True if the process ended within the deadline."""
        return self.seconds <= STOP_DEADLINE


@dataclass
class Stack:
    """A pipeline on a cluster; processes that end are restarted, as a container platform would do."""

    cluster: KafkaCluster
    pipeline: Pipeline
    # Undoes the changes of scenarios to the machine when the stack stops.
    cleanup: ExitStack
    changelog: Changelog
    restarts: int = 0
    stops: list[Stop] = field(default_factory=list)
    # Processes that ended without being killed or stopped, or stopped with an error, with their last errors.
    ended: list[str] = field(default_factory=list)
    # Names of processes that may end by themselves, because a scenario took away something that they need.
    may_end: set[str] = field(default_factory=set)
    # Names of processes that must not be restarted.
    held_down: set[str] = field(default_factory=set)
    # The sizes of the logs at the latest start of each process.
    _log_begins: dict[str, int] = field(default_factory=dict)

    @property
    def processes(self) -> list[Process]:
        """All gateways and workers."""
        return [*self.pipeline.gateways, *self.pipeline.workers]

    async def supervise(self) -> None:
        """Restart processes that end, until cancelled."""
        while True:
            for process in self.processes:
                code = process.running.poll()
                if code is None or process.name in self.held_down:
                    continue
                if code == -signal.SIGKILL:
                    self.restarts += 1
                else:
                    self._note_end(process, code)
                await asyncio.sleep(_RESTART_DELAY)
                if process.name not in self.held_down:
                    self.start(process)
            await asyncio.sleep(0.1)

    def start(self, process: Process) -> None:
        """Start a process that does not run."""
        if process.running.poll() is not None:
            self._log_begins[process.name] = process.log.stat().st_size
            process.start()

    def hold_down(self, process: Process) -> None:
        """Prevent the restart of a process until it is released."""
        self.held_down.add(process.name)

    def release(self, process: Process) -> None:
        """Start a process that was held down, and restart it from now on."""
        self.start(process)
        self.held_down.discard(process.name)

    def release_all(self) -> None:
        """Start all processes that are held down."""
        for process in self.processes:
            if process.name in self.held_down:
                self.release(process)

    async def all_back(self) -> None:
        """Start all processes that are held down, and wait until the stack is ready."""
        self.release_all()
        await self.ready()

    async def stop(self, process: Process, state: str = "at work", number: signal.Signals = signal.SIGTERM) -> None:
        """Stop a process with a signal and hold it down; record the time that it took, and an exit code of an error."""
        self.hold_down(process)
        begun = time.monotonic()
        process.signal(number)
        try:
            code = await asyncio.to_thread(process.running.wait, _PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = 0
        self.stops.append(Stop(state, process.name, number.name, time.monotonic() - begun))
        # A process that has just been started has no handler yet, and the signal itself ends it.
        if code not in (0, -number, 128 + number, -signal.SIGKILL):
            self._note_end(process, code)

    async def restart(self, process: Process) -> None:
        """Stop a process with SIGTERM, and start it again."""
        await self.stop(process)
        self.release(process)

    def log(self, process: Process) -> str:
        """Return the log of a process since its latest start."""
        with process.log.open("rb") as file:
            file.seek(self._log_begins.get(process.name, 0))
            return file.read().decode(errors="replace")

    async def ready(self, timeout: float = _READY_TIMEOUT) -> None:
        """Wait until every process runs, every gateway is ready, and the workers share the partitions."""
        pipeline = self.pipeline

        async def probe() -> bool | None:
            if any(process.running.poll() is not None for process in self.processes):
                return None
            if not await pipeline.shares_partitions(pipeline.workers):
                return None
            return all([await pipeline.is_ready(gateway) for gateway in pipeline.gateways]) or None

        await eventually(probe, timeout, 0.1, "a stack that is ready")

    def _note_end(self, process: Process, code: int) -> None:
        if process.name in self.may_end:
            return
        lines = self.log(process).splitlines()
        errors = [line for line in lines if "level=error" in line or "level=critical" in line]
        shown = "\n".join(f"    {line[:_SHOWN]}" for line in (errors or lines)[-_ERROR_LINES:])
        self.ended.append(f"{process.name} ended by itself with code {code}:\n{shown}")
        print(f"\n{self.ended[-1]}", flush=True)


@asynccontextmanager
async def replicated_stack(
    kafka: Distribution, directory: Path, workers: int = 3, **overrides: str
) -> AsyncIterator[Stack]:
    """Start the stack, and yield it when it is ready; stop all of it at the end."""
    cluster = KafkaCluster(kafka, directory / "kafka", nodes=3, security=security(directory / "security"))
    await cluster.start()
    replicated = {"ECG_REPLICATION_FACTOR": "3", "ECG_MIN_INSYNC_REPLICAS": "2"}
    # Longer than any outage, so that every gap in a recording is a fault.
    patient = {"ECG_CHUNK_PATIENCE": "600"}
    # Not forked, because a new process takes its time in real life too.
    pipeline = Pipeline(KafkaBroker(cluster), directory, "faults", replicated | patient | overrides, forked=False)
    supervisor: asyncio.Task[None] | None = None
    cleanup = ExitStack()
    try:
        for _ in range(2):
            pipeline.start_gateway()
        for _ in range(workers):
            pipeline.start_worker()
        stack = Stack(cluster, pipeline, cleanup, Changelog(pipeline))
        await stack.ready()
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
