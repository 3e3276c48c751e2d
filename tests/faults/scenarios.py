"""The faults that are made in a stack at work."""

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import rocksdict
from aiokafka import AIOKafkaProducer

from local_stack.kafka import KafkaNode
from shared.kafka.clients import worker_group
from shared.kafka.topics import Topics
from tests.faults.copies import copies, open_copies
from tests.faults.stack import Stack
from tests.support.conditions import eventually
from tests.support.pipeline import Worker
from tests.support.process import Process

SHORT = bool(os.environ.get("ECG_FAULTS_SHORT"))
"""True to run only the worst faults, fewer times and for a shorter time, as CI does."""

Fault = Callable[[Stack], Awaitable[None]]

# ECGs per second. Races show at the lower rate, at which fetches wait for records; the higher one keeps the stack busy.
_QUIET, _BUSY = 50.0, 250.0
_OUTAGE = 10.0
_RESTARTS, _KILLS, _FROZEN = (4, 2, 15) if SHORT else (60, 30, 60)
# The log line of a worker that rebuilds the table of a damaged partition.
_REBUILT = re.compile(r"level=(?:warning|error) .*(?:anew|rebuil)", re.IGNORECASE)


@dataclass(frozen=True)
class Scenario:
    """A fault, its title on the page, and the rate of submissions (per second) during it."""

    title: str
    fault: Fault
    rate: float

    @property
    def name(self) -> str:
        """The name of the scenario's test."""
        return self.fault.__name__

    @property
    def label(self) -> str:
        """The title in a table, with the rate unless it is the usual one."""
        return self.title if self.rate == _QUIET else f"{self.title} ({self.rate:.0f}/s)"


SCENARIOS: list[Scenario] = []


def scenario(title: str, rate: float = _QUIET, *, short: bool = False) -> Callable[[Fault], Fault]:
    """Return a decorator that makes a fault a scenario; with `short` it is a part of the short run too."""

    def add(fault: Fault) -> Fault:
        if short or not SHORT:
            SCENARIOS.append(Scenario(title, fault, rate))
        return fault

    return add


@scenario(f"{_RESTARTS} restarts of workers, one by one, ready in between", short=True)
async def workers_restarted(stack: Stack) -> None:
    for worker in itertools.islice(itertools.cycle(stack.pipeline.workers), _RESTARTS):
        await stack.restart(worker)
        await stack.ready()


@scenario("SIGKILL of a worker")
async def worker_killed(stack: Stack) -> None:
    stack.pipeline.workers[0].kill()


@scenario("SIGKILL of two workers at once")
async def two_workers_killed(stack: Stack) -> None:
    for worker in stack.pipeline.workers[:2]:
        worker.running.kill()


@scenario("From three workers to one and back")
async def scaled(stack: Stack) -> None:
    leaving = stack.pipeline.workers[1:]
    for worker in leaving:
        await stack.stop(worker)
    await asyncio.sleep(_OUTAGE)
    for worker in leaving:
        stack.release(worker)
    await stack.ready()


@scenario("SIGKILL of a gateway with submissions in flight", _BUSY)
async def gateway_killed(stack: Stack) -> None:
    stack.pipeline.gateways[0].kill()


@scenario("SIGKILL of a partition's leader, and its return", _BUSY)
async def leader_killed(stack: Stack) -> None:
    await _kill_and_return(stack, await stack.cluster.leader(Topics(stack.pipeline.settings).submissions.name))


@scenario(f"{_KILLS} SIGKILLs of the node that coordinates the workers' group, and its return each time", short=True)
async def coordinator_killed(stack: Stack) -> None:
    for _ in range(_KILLS):
        await _kill_and_return(stack, await _coordinator(stack), outage=2.0)


@scenario("All three brokers down for 10 s, and up again", _BUSY)
async def all_brokers_down(stack: Stack) -> None:
    async with _brokers_down(stack):
        await asyncio.sleep(_OUTAGE)


@scenario("SIGSTOP of a broker for 30 s", _BUSY)
async def broker_frozen(stack: Stack) -> None:
    leader = await stack.cluster.leader(Topics(stack.pipeline.settings).insights.name)
    async with _frozen(stack, leader):
        await asyncio.sleep(30)


@scenario(f"SIGSTOP of all three brokers for {_FROZEN} s", short=True)
async def all_brokers_frozen(stack: Stack) -> None:
    async with _frozen(stack, *stack.cluster.nodes):
        await asyncio.sleep(_FROZEN)


@scenario("SIGTERM and SIGINT to workers and gateways, in the states below", short=True)
async def stopped_in_every_state(stack: Stack) -> None:
    await _stop(stack, "under load")
    await _stop_recovering(stack)
    await stack.all_back()
    async with _frozen(stack, *stack.cluster.nodes):
        # Long enough that clients have given up requests and sent them again.
        await asyncio.sleep(_OUTAGE)
        await _stop(stack, "all brokers frozen")
        # Processes that start now wait for brokers that do not answer.
        stack.release_all()
        await asyncio.sleep(_OUTAGE / 2)
        await _stop(stack, "all brokers frozen since before the start")
    await stack.all_back()
    async with _frozen(stack, await _coordinator(stack)):
        await asyncio.sleep(_OUTAGE)
        await _stop(stack, "the group's coordinator frozen")
    await stack.all_back()
    async with _brokers_down(stack):
        await asyncio.sleep(_OUTAGE)
        await _stop(stack, "all brokers down")
    await stack.all_back()


@scenario("A worker's RocksDB directory deleted, and the worker restarted")
async def table_deleted(stack: Stack) -> None:
    worker = stack.pipeline.workers[0]
    stack.hold_down(worker)
    worker.kill()
    shutil.rmtree(worker.env["ECG_DATA_DIR"])
    stack.release(worker)
    await stack.ready()


@scenario(
    "A worker's tables damaged (SST cut short, SST gone, CURRENT gone, MANIFEST gone), and the worker restarted",
    short=True,
)
async def tables_damaged(stack: Stack) -> None:
    for worker, damage in zip(itertools.cycle(stack.pipeline.workers), _DAMAGES):
        await _damage(stack, worker, damage)


@scenario("A partition full of poison between good messages", _BUSY)
async def poisoned(stack: Stack) -> None:
    topics = Topics(stack.pipeline.settings)
    async with AIOKafkaProducer(**stack.pipeline.kafka) as producer:
        for i, topic in itertools.product(range(500), (topics.submissions, topics.chunks)):
            await producer.send(topic.name, b"{poison" + bytes([i % 256]), b"poison-%d" % i, partition=0)


@scenario("No room left on the disk of one worker's table for 20 s", _BUSY)
async def disk_full(stack: Stack) -> None:
    worker = stack.pipeline.workers[0]
    directory = Path(worker.env["ECG_DATA_DIR"])
    await stack.stop(worker)
    mount_small_disk(directory, stack.cleanup)
    stack.release(worker)
    await stack.ready()
    ballast = directory / "ballast"
    # A worker that cannot write its table may end: the others take over, from their copies.
    stack.may_end.add(worker.name)
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        await asyncio.sleep(2 * _OUTAGE)
        ballast.unlink()
        await stack.ready()
    finally:
        stack.may_end.clear()


def mount_small_disk(directory: Path, cleanup: ExitStack) -> None:
    """Mount a file system of 64 MiB in memory on a directory; `cleanup` unmounts it."""
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", directory], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"a disk to fill cannot be mounted: {error}")
    cleanup.callback(lambda: subprocess.run(["umount", "--lazy", directory], check=True))


async def _coordinator(stack: Stack) -> KafkaNode:
    return await stack.cluster.coordinator(worker_group(stack.pipeline.settings))


async def _kill_and_return(stack: Stack, node: KafkaNode, outage: float = _OUTAGE) -> None:
    node.kill()
    await asyncio.sleep(outage)
    node.start()
    await stack.cluster.in_sync()


@asynccontextmanager
async def _brokers_down(stack: Stack) -> AsyncIterator[None]:
    for node in stack.cluster.nodes:
        node.kill()
    try:
        yield
    finally:
        for node in stack.cluster.nodes:
            node.start()
        await stack.cluster.in_sync()


@asynccontextmanager
async def _frozen(stack: Stack, *nodes: KafkaNode) -> AsyncIterator[None]:
    for node in nodes:
        node.pause()
    try:
        yield
    finally:
        for node in nodes:
            node.resume()
        await stack.cluster.in_sync()


async def _stop(stack: Stack, state: str, *processes: Process) -> None:
    """Stop processes at the same time, with SIGTERM and SIGINT in turn; by default two workers and two gateways."""
    stopping = processes or [*stack.pipeline.workers[:2], *stack.pipeline.gateways]
    signals = itertools.cycle((signal.SIGTERM, signal.SIGINT))
    await asyncio.gather(*(stack.stop(process, state, next(signals)) for process in stopping))


async def _stop_recovering(stack: Stack) -> None:
    """Start two workers without their tables, and stop them as soon as they have opened new ones."""
    workers = stack.pipeline.workers[:2]
    for worker in workers:
        shutil.rmtree(worker.env["ECG_DATA_DIR"])
        stack.start(worker)

    async def recovering(worker: Worker) -> None:
        async def probe() -> bool | None:
            return bool(open_copies(worker)) or None

        await eventually(probe, 60, 0.01, f"{worker.name} opening its tables")

    await asyncio.gather(*map(recovering, workers))
    await _stop(stack, "recovering", *workers)


def _cut_sst(copy: Path) -> None:
    file = _sst(copy)
    os.truncate(file, file.stat().st_size // 2)


def _remove_sst(copy: Path) -> None:
    _sst(copy).unlink()


def _remove_current(copy: Path) -> None:
    (copy / "CURRENT").unlink()


def _remove_manifest(copy: Path) -> None:
    for file in copy.glob("MANIFEST-*"):
        file.unlink()


_DAMAGES = (_cut_sst, _remove_sst, _remove_current, _remove_manifest)


def _sst(copy: Path) -> Path:
    return max(copy.glob("*.sst"), key=lambda file: file.stat().st_size)


async def _damage(stack: Stack, worker: Worker, damage: Callable[[Path], None]) -> None:
    """Damage all tables of a worker while it is down; when it is back, it must have rebuilt them and logged that."""
    await stack.stop(worker)
    damaged: list[Path] = []
    try:
        for copy in copies(worker).values():
            # Opening a table makes RocksDB write the rows that were only in its log to SST files.
            rocksdict.Rdict(str(copy), options=rocksdict.Options(raw_mode=True)).close()
            if any(copy.glob("*.sst")):
                damage(copy)
                damaged.append(copy)
        stack.release(worker)
        await stack.ready()
        assert set(damaged) & open_copies(worker), f"{worker.name} has other partitions now"
        assert _REBUILT.search(stack.log(worker)), f"{worker.name} built tables anew, and did not say so"
    finally:
        # Delete the tables that the worker has not opened, because they are still damaged.
        opened = open_copies(worker) if worker.running.poll() is None else set()
        for copy in set(damaged) - opened:
            shutil.rmtree(copy, ignore_errors=True)
