"""The faults: what is done to a stack while it works."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from shared.topics import Topics
from tests.faults.stack import Stack

Scenario = Callable[[Stack], Awaitable[None]]
_OUTAGE = 10.0


async def worker_killed(stack: Stack) -> None:
    """SIGKILL of a worker."""
    stack.pipeline.workers[0].kill()


async def two_workers_killed(stack: Stack) -> None:
    """SIGKILL of two workers at once."""
    for worker in stack.pipeline.workers[:2]:
        worker.running.kill()


async def table_deleted(stack: Stack) -> None:
    """A worker's RocksDB directory deleted and the worker restarted."""
    worker = stack.pipeline.workers[0]
    stack.hold_down(worker)
    worker.kill()
    shutil.rmtree(worker.env["ECG_DATA_DIR"])
    stack.release(worker)


async def gateway_killed(stack: Stack) -> None:
    """SIGKILL of a gateway with submissions in flight."""
    stack.pipeline.gateways[0].kill()


async def leader_killed(stack: Stack) -> None:
    """SIGKILL of a partition's leader, and its return."""
    leader = await stack.cluster.leader(Topics(stack.pipeline.settings).submissions.name)
    leader.kill()
    await asyncio.sleep(_OUTAGE)
    leader.start()
    await stack.cluster.in_sync()


async def broker_frozen(stack: Stack) -> None:
    """SIGSTOP of a broker for 30 s."""
    leader = await stack.cluster.leader(Topics(stack.pipeline.settings).insights.name)
    leader.pause()
    await asyncio.sleep(30)
    leader.resume()
    await stack.cluster.in_sync()


async def all_brokers_down(stack: Stack) -> None:
    """All three brokers down for 10 s, and up again."""
    for node in stack.cluster.nodes:
        node.kill()
    await asyncio.sleep(_OUTAGE)
    for node in stack.cluster.nodes:
        node.start()
    await stack.cluster.in_sync()


async def workers_restarted(stack: Stack) -> None:
    """Rolling restart of all workers."""
    for worker in stack.pipeline.workers:
        stack.hold_down(worker)
        await asyncio.to_thread(worker.stop)
        stack.release(worker)
        await stack.pipeline.ready(len(stack.pipeline.workers))


async def scaled(stack: Stack) -> None:
    """From three workers to one and back."""
    leaving = stack.pipeline.workers[1:]
    for worker in leaving:
        stack.hold_down(worker)
        await asyncio.to_thread(worker.stop)
    await asyncio.sleep(_OUTAGE)
    for worker in leaving:
        stack.release(worker)
    await stack.pipeline.ready(3)


async def poisoned(stack: Stack) -> None:
    """A partition full of poison between good messages."""
    topic = Topics(stack.pipeline.settings).submissions.name
    async with AIOKafkaProducer(**stack.pipeline.kafka) as producer:
        for i in range(500):
            await producer.send(topic, b"{poison" + bytes([i % 256]), b"poison-%d" % i, partition=0)


async def disk_full(stack: Stack) -> None:
    """No room left on the disk of one worker's table for 20 s."""
    worker = stack.pipeline.workers[0]
    directory = Path(worker.env["ECG_DATA_DIR"])
    stack.hold_down(worker)
    await asyncio.to_thread(worker.stop)
    mount_small_disk(directory, stack.cleanup)
    stack.release(worker)
    await stack.pipeline.ready(3)
    ballast = directory / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    await asyncio.sleep(2 * _OUTAGE)
    ballast.unlink()


def mount_small_disk(directory: Path, cleanup: ExitStack) -> None:
    """Mount a file system of 64 MiB in memory on a directory, until the cleanup."""
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", directory], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"a disk to fill cannot be mounted: {error}")
    cleanup.callback(lambda: subprocess.run(["umount", "--lazy", directory], check=True))


WORST: list[Scenario] = [worker_killed, leader_killed, all_brokers_down, disk_full]
SCENARIOS: list[Scenario] = [
    worker_killed,
    two_workers_killed,
    table_deleted,
    gateway_killed,
    leader_killed,
    broker_frozen,
    all_brokers_down,
    workers_restarted,
    scaled,
    poisoned,
    disk_full,
]
